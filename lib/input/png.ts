import { crc32 } from "node:zlib";
import { asBuffer } from "./kinds.js";

const SIGNATURE_BYTES = 8;
/** Length, type and checksum around the data of a chunk. */
const AROUND = 12;

/** A chunk of a PNG; offsets in bytes. */
interface Chunk {
  type: string;
  start: number;
  end: number;
}

function* chunks(bytes: Buffer): Generator<Chunk> {
  for (let at = SIGNATURE_BYTES; at + AROUND <= bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at);
    if (end + 4 > bytes.length) return;
    yield { type: bytes.toString("latin1", at + 4, at + 8), start: at + 8, end };
    at = end + 4;
  }
}

/** The EXIF data of a PNG, wherever it stands; libvips reads it only before the pixels. */
export function pngExif(png: Uint8Array): Uint8Array | undefined {
  const bytes = asBuffer(png);
  for (const { type, start, end } of chunks(bytes)) {
    if (type === "eXIf") return bytes.subarray(start, end);
  }
  return undefined;
}

/**
 * EXIF data that stands in hexadecimal in a text, as ImageMagick wrote it before PNG had a chunk for it: a line with the
 * name, one with the length, and the data. Pillow reads no other text, such as that of type APP1.
 */
export function exifOfText(comments: readonly { keyword: string; text: string }[] | undefined): Uint8Array | undefined {
  const text = comments?.find(({ keyword }) => keyword === "Raw profile type exif")?.text;
  if (text === undefined) return undefined;
  const bytes = Buffer.from(text.split("\n").slice(3).join(""), "hex");
  return bytes.toString("latin1", 0, 6) === "Exif\0\0" ? bytes.subarray(6) : bytes;
}

/**
 * A copy of a PNG with right checksums of its pixels: Pillow does not look at these, and libpng refuses wrong ones.
 * @returns undefined if none was wrong
 */
export function withRightChecksums(png: Uint8Array): Uint8Array | undefined {
  let copy: Buffer | undefined;
  const bytes = asBuffer(png);
  for (const { type, start, end } of chunks(bytes)) {
    const checksum = type === "IDAT" ? crc32(bytes.subarray(start - 4, end)) : undefined;
    if (checksum === undefined || checksum === bytes.readUInt32BE(end)) continue;
    copy ??= Buffer.from(bytes);
    copy.writeUInt32BE(checksum, end);
  }
  return copy;
}
