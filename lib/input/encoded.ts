import type { Metadata, Sharp } from "sharp";
import { ClipBlipError } from "../common/errors.js";
import { asStill, hasPremultipliedAlpha } from "./avif.js";
import { decodeBmp } from "./bmp.js";
import { cmykToRgb } from "./cmyk.js";
import { detectFormat } from "./format.js";
import { decodeGif } from "./gif.js";
import { asBuffer } from "./kinds.js";
import { checkPixels } from "./limits.js";
import { orientationOf, turnUpright } from "./orientation.js";
import { OPEN, rgbPixels, undecodable } from "./pixels.js";
import { withRightChecksums } from "./png.js";
import { loadSharp } from "./sharp.js";
import { tiffKind, ycbcrToRgb } from "./tiff.js";
import type { DecodedImage, DecodedPart, WantedColumns } from "./types.js";

/**
 * Decodes an encoded picture into the pixels that Pillow's `ImageOps.exif_transpose(image).convert("RGB")` gives.
 *
 * JPEG, PNG, WebP, GIF, BMP and TIFF are equal to Pillow byte for byte (a TIFF in YCbCr to 1 level); of 16-bit samples the high byte is taken, as Pillow
 * does for colour (its 16-bit grey it clips at 255, which makes almost any such picture white; that is not copied).
 * AVIF differs by 1 level with full chroma. Where chroma is subsampled libheif repeats its samples and Pillow's libavif
 * interpolates them: 1.2 levels in the mean and 16 at most on a smooth picture, more at hard edges of colour.
 *
 * @param name of the source in error messages
 * @param wanted asked which columns to keep, where that saves something: not of animations, nor of what has to be turned.
 *   The picture is decoded whole all the same, so that damage anywhere shows
 * @throws ERR_IMAGE_DECODE, ERR_IMAGE_TOO_LARGE
 */
export async function decodeEncoded(
  bytes: Uint8Array,
  name: string,
  maxPixels: number,
  wanted?: WantedColumns,
): Promise<DecodedPart> {
  const format = detectFormat(bytes, name);
  try {
    if (format === "gif") return await decodeGif(bytes, name, maxPixels);
    if (format === "bmp") return await decodeBmp(bytes, name, maxPixels);
    if (format === "png") return await decodePng(bytes, name, maxPixels, wanted);
    if (format === "tiff") return await decodeTiff(bytes, name, maxPixels, wanted);
    if (format === "heif" && hasPremultipliedAlpha(bytes)) throw unsupported(name, "colours multiplied by alpha");
    return await decodeWithSharp(format === "heif" ? asStill(bytes) : bytes, name, maxPixels, wanted);
  } catch (error) {
    throw error instanceof ClipBlipError ? error : undecodable(name, error);
  }
}

async function decodeWithSharp(
  bytes: Uint8Array,
  name: string,
  maxPixels: number,
  wanted?: WantedColumns,
): Promise<DecodedPart> {
  const sharp = await loadSharp();
  const metadata = await sharp(asBuffer(bytes), { ...OPEN, limitInputPixels: false }).metadata();
  checkPixels(name, metadata.width, metadata.height, maxPixels);
  checkKind(metadata, name);
  const { width, height } = metadata;
  const orientation = orientationOf(bytes, metadata);
  const image = turnUpright(sharp(asBuffer(bytes), { ...OPEN, limitInputPixels: maxPixels }), orientation);
  const columns = orientation === 1 ? wanted?.(width, height) : undefined;
  if (columns) image.extract({ left: columns.begin, top: 0, width: columns.length, height });
  const pixels = metadata.space === "cmyk" ? await cmykPixels(image) : await rgbPixels(image);
  return columns ? { ...pixels, width, columns } : pixels;
}

async function decodePng(bytes: Uint8Array, name: string, maxPixels: number, wanted?: WantedColumns) {
  try {
    return await decodeWithSharp(bytes, name, maxPixels, wanted);
  } catch (error) {
    const repaired = error instanceof ClipBlipError ? undefined : withRightChecksums(bytes);
    if (repaired === undefined) throw error;
    return decodeWithSharp(repaired, name, maxPixels, wanted);
  }
}

async function decodeTiff(bytes: Uint8Array, name: string, maxPixels: number, wanted?: WantedColumns) {
  const { unsupported: what, ycbcr } = tiffKind(bytes);
  if (what !== undefined) throw unsupported(name, what);
  const image = await decodeWithSharp(bytes, name, maxPixels, wanted);
  if (ycbcr) await ycbcrToRgb(image.data);
  return image;
}

async function cmykPixels(image: Sharp): Promise<DecodedImage> {
  const output = image.pipelineColourspace("cmyk").toColourspace("cmyk").removeAlpha().raw({ depth: "uchar" });
  const { data, info } = await output.toBuffer({ resolveWithObject: true });
  return { data: await cmykToRgb(data), width: info.width, height: info.height };
}

/** Leaves out what a permitted container may hold all the same: HEVC, floating point, more than four colours. */
function checkKind(metadata: Metadata, name: string): void {
  const { format, compression, depth, space } = metadata;
  if (format === "heif" && compression !== "av1") throw unsupported(name, `${compression} compression`);
  if (depth !== "uchar" && !(depth === "ushort" && space !== "cmyk"))
    throw unsupported(name, `${space} ${depth} samples`);
  if (space === "multiband") throw unsupported(name, "an unknown set of channels");
}

function unsupported(name: string, what: string): ClipBlipError {
  return new ClipBlipError("ERR_IMAGE_DECODE", `${name} has ${what}, which is not supported: convert it to 8-bit RGB.`);
}
