import { ClipBlipError } from "../common/errors.js";

/** The formats that are read, in sharp's names. AVIF is "heif" there. */
export type ImageFormat = "jpeg" | "png" | "webp" | "gif" | "tiff" | "heif";

/**
 * Tells the format by the first bytes. Only what is recognised here reaches a decoder: SVG, PDF and the rest are refused
 * unopened, since most vulnerabilities of image libraries are in parsing them.
 *
 * @throws ERR_IMAGE_DECODE for everything else, empty input included
 */
export function detectFormat(bytes: Uint8Array, name: string): ImageFormat {
  if (bytes.byteLength === 0) throw undecodable(`${name} is empty (0 bytes).`);
  const format = formatOf(bytes);
  if (format) return format;
  throw undecodable(`${name} is not a picture in a supported format: JPEG, PNG, WebP, GIF, TIFF or AVIF.`);
}

/** The format by the first bytes; undefined for what is none of ours. */
export function formatOf(bytes: Uint8Array): ImageFormat | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 32)).toString("latin1");
  if (start.startsWith("\xff\xd8\xff")) return "jpeg";
  if (start.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (/^RIFF.{4}WEBP/s.test(start)) return "webp";
  if (/^GIF8[79]a/.test(start)) return "gif";
  if (/^(?:II[*+]\0|MM\0[*+])/.test(start)) return "tiff";
  // The brand may be a generic one (mif1); the decoder then says whether it is AV1 inside.
  return /^.{4}ftyp(?:avi[fs]|m[is]f1)/s.test(start) ? "heif" : undefined;
}

function undecodable(message: string): ClipBlipError {
  return new ClipBlipError("ERR_IMAGE_DECODE", message);
}
