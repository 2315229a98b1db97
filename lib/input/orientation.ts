import type { Metadata, Sharp } from "sharp";

/** Whether a picture is stored as it is to be seen. */
export function isUpright({ orientation, xmp }: Metadata): boolean {
  return (orientation ?? xmpOrientation(xmp)) === 1;
}

/**
 * Turns a picture upright. sharp reads the orientation from EXIF; as Pillow does, XMP is asked where EXIF says nothing.
 */
export function turnUpright(image: Sharp, metadata: Metadata): Sharp {
  if (metadata.orientation) return image.autoOrient();
  switch (xmpOrientation(metadata.xmp)) {
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
