import type { Metadata, Sharp } from "sharp";
import { exifOfText, pngExif } from "./png.js";
import { readTiffTags, TIFF_TAGS } from "./tiff-tags.js";

/**
 * How a picture is to be turned, from 1 (not at all) to 8, as EXIF counts. As in Pillow, EXIF is asked first, in a PNG
 * also where libvips does not find it, and XMP where EXIF says nothing.
 */
export function orientationOf(bytes: Uint8Array, { format, orientation, comments, xmp }: Metadata): number {
  if (orientation) return orientation;
  const exif = format === "png" ? (pngExif(bytes) ?? exifOfText(comments)) : undefined;
  const turned = exif && readTiffTags(exif).get(TIFF_TAGS.orientation)?.[0];
  return turned ?? xmpOrientation(xmp);
}

/** Turns a picture upright. */
export function turnUpright(image: Sharp, orientation: number): Sharp {
  switch (orientation) {
    case 2:
      return image.flop();
    case 3:
      return image.rotate(180);
    case 4:
      return image.flip();
    case 5:
      return image.rotate(270).flop();
    case 6:
      return image.rotate(90);
    case 7:
      return image.rotate(90).flop();
    case 8:
      return image.rotate(270);
    default:
      return image;
  }
}

function xmpOrientation(xmp: Uint8Array | undefined): number {
  if (!xmp) return 1;
  const match = /tiff:Orientation(?:="|>)([0-9])/.exec(Buffer.from(xmp).toString("latin1"));
  return Number(match?.[1] ?? 1);
}
