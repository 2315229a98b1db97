import { ClipBlipError } from "../common/errors.js";

/** Default of `maxPixels`: 150 MB of RGB. */
export const DEFAULT_MAX_PIXELS = 50_000_000;

/** Bytes of a picture fetched from a URL. */
export const MAX_REMOTE_BYTES = 50 * 1024 * 1024;

/** Bytes of an encoded picture from anywhere else: what 50 million pixels of 16-bit RGBA take uncompressed, and some. */
export const MAX_ENCODED_BYTES = 512 * 1024 * 1024;

/** Milliseconds that a remote server has for the whole answer. */
export const REMOTE_TIMEOUT = 30_000;

/** @throws ERR_IMAGE_TOO_LARGE where a picture has more pixels than allowed. */
export function checkPixels(name: string, width: number, height: number, maxPixels: number): void {
  if (width * height <= maxPixels) return;
  throw new ClipBlipError(
    "ERR_IMAGE_TOO_LARGE",
    `${name} has ${width} x ${height} pixels, more than the ${maxPixels} allowed. Raise maxPixels to accept it.`,
  );
}

/** @throws ERR_IMAGE_TOO_LARGE where an encoded picture has more bytes than allowed. */
export function checkBytes(name: string, bytes: number, limit: number): void {
  if (bytes <= limit) return;
  throw new ClipBlipError(
    "ERR_IMAGE_TOO_LARGE",
    `${name} is larger than ${Math.floor(limit / 1024 / 1024)} MiB, the limit for an encoded picture.`,
  );
}
