import { ClipBlipError } from "../common/errors.js";
import { orAbort } from "./abort.js";
import { assertDecodeOptions } from "./assert.js";
import { decodeEncoded } from "./encoded.js";
import { checkPixels, DEFAULT_MAX_PIXELS } from "./limits.js";
import { decodeRaw, rgbPixels, undecodable } from "./pixels.js";
import { type ImageSource, openSource } from "./source.js";
import type { DecodedImage, DecodedPart, DecodeOptions, ImageInput, WantedColumns } from "./types.js";

/**
 * Reads a picture from wherever it is and decodes it to upright, interleaved 8-bit RGB, with the pixels that Pillow's
 * `ImageOps.exif_transpose(Image.open(file)).convert("RGB")` gives (`decodeEncoded` says where not).
 *
 * Memory of the caller is copied before the first `await`: it may be changed or transferred once the call has returned
 * its promise. A stream is used up. A sharp instance is cloned and its output taken; it must have its input already.
 * Decoding runs on libuv's threads, one of them for each call in flight.
 *
 * @returns pixels in memory of this package
 * @throws (as a rejection) ERR_INVALID_ARGUMENT for what is no picture and for a remote URL without `allowRemote`;
 *   ERR_IMAGE_DECODE for what is missing, unreadable, damaged or of another format; ERR_IMAGE_TOO_LARGE past `maxPixels`
 *   or the limits on encoded bytes; `signal.reason`
 */
export async function decodeImage(input: ImageInput, options: DecodeOptions = {}): Promise<DecodedImage> {
  assertDecodeOptions(options);
  options.signal?.throwIfAborted();
  return decodeSource(openSource(input, options), options);
}

/** As `decodeImage`, of a source that was opened with the same options, and of large files the wanted columns only. */
export function decodeSource(
  source: ImageSource,
  { maxPixels, signal }: DecodeOptions,
  wanted?: WantedColumns,
): Promise<DecodedPart> {
  return orAbort(decode(source, maxPixels ?? DEFAULT_MAX_PIXELS, signal, wanted), signal);
}

async function decode(
  source: ImageSource,
  maxPixels: number,
  signal?: AbortSignal,
  wanted?: WantedColumns,
): Promise<DecodedPart> {
  const { name } = source;
  if (source.kind === "encoded") {
    const bytes = await source.read();
    // Nobody waits for the result any more: leave the thread to others.
    signal?.throwIfAborted();
    return decodeEncoded(bytes, name, maxPixels, wanted);
  }
  if (source.kind === "raw") {
    checkPixels(name, source.pixels.width, source.pixels.height, maxPixels);
    return decodeRaw(source.pixels, name);
  }
  try {
    const image = await rgbPixels(source.pipeline.clone());
    checkPixels(name, image.width, image.height, maxPixels);
    return image;
  } catch (error) {
    throw error instanceof ClipBlipError ? error : undecodable(name, error);
  }
}
