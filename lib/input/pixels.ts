import type { Sharp, SharpOptions } from "sharp";
import { ClipBlipError, messageOf } from "../common/errors.js";
import { asBuffer } from "./kinds.js";
import { loadSharp } from "./sharp.js";
import type { DecodedImage, KnownPixels } from "./types.js";

/**
 * How files are opened, as in Pillow: truncated data is refused, warnings are ignored, embedded color profiles are not
 * applied, and a picture is decoded in full and never shrunk while loading.
 */
export const OPEN: SharpOptions = { failOn: "error", ignoreIcc: true, sequentialRead: true, limitInputChannels: 5 };

/** Runs a pipeline to the end and takes its output as interleaved 8-bit RGB; alpha is dropped, not blended. */
export async function rgbPixels(image: Sharp): Promise<DecodedImage> {
  const output = image.removeAlpha().toColourspace("srgb").raw({ depth: "uchar" });
  const { data, info } = await output.toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels === 3) return { data: plain(data), width, height };
  // A pipeline that was told to be grey, to take one channel or to have alpha does so after all, last.
  const sharp = await loadSharp();
  return rgbPixels(sharp(data, { raw: { width, height, channels }, limitInputPixels: false }));
}

/** What went wrong in a decoder, as an error of this package. */
export function undecodable(name: string, cause: unknown): ClipBlipError {
  const reason = messageOf(cause).trim().split("\n")[0];
  return new ClipBlipError("ERR_IMAGE_DECODE", `${name} cannot be decoded; it is damaged or cut short (${reason}).`, {
    cause,
  });
}

function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/**
 * Raw pixels as RGB: grey is repeated, alpha dropped. The conversion runs on a pool thread.
 *
 * @param pixels checked already; their memory is taken over
 */
export async function decodeRaw(pixels: KnownPixels, name: string): Promise<DecodedImage> {
  const { data, width, height, channels } = pixels;
  if (channels === 3) return { data, width, height };
  const sharp = await loadSharp();
  try {
    return await rgbPixels(sharp(asBuffer(data), { raw: { width, height, channels }, limitInputPixels: false }));
  } catch (error) {
    throw undecodable(name, error);
  }
}
