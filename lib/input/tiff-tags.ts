import { isRangeError } from "../common/errors.js";
/** The tags of the first directory of a TIFF, or of the EXIF data of another format, that say how it is to be read. */
export const TIFF_TAGS = {
  bitsPerSample: 0x102,
  compression: 0x103,
  photometric: 0x106,
  orientation: 0x112,
  ycbcrCoefficients: 0x211,
  ycbcrSubsampling: 0x212,
  referenceBlackWhite: 0x214,
} as const;

/** Values by tag. */
export type TiffTags = ReadonlyMap<number, readonly number[]>;

/** Bytes of a value, by type: bytes, short, long and rational numbers; other types are not read. */
const SIZES: Readonly<Record<number, number>> = { 1: 1, 3: 2, 4: 4, 5: 8 };

/** More values than this has none of the tags above. */
const MAX_VALUES = 16;

/**
 * Reads the first directory of a TIFF (also a BigTIFF), as far as it is numbers. Data that ends early gives the tags
 * before.
 */
export function readTiffTags(bytes: Uint8Array): TiffTags {
  const tags = new Map<number, number[]>();
  try {
    readDirectory(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), tags);
  } catch (error) {
    if (!isRangeError(error)) throw error;
  }
  return tags;
}

function readDirectory(view: DataView, tags: Map<number, number[]>): void {
  const little = view.getUint16(0) === 0x4949;
  const big = view.getUint16(2, little) === 43;
  const long = (at: number) => view.getUint32(at, little);
  // Of an eight-byte number, the half that a file of less than 4 GB uses.
  const wide = (at: number) => (big ? long(little ? at : at + 4) : long(at));
  const start = wide(big ? 8 : 4);
  const count = big ? wide(start) : view.getUint16(start, little);
  const [first, length, inline] = big ? [start + 8, 20, 8] : [start + 2, 12, 4];
  for (let entry = first; entry < first + count * length; entry += length) {
    const [tag, type] = [view.getUint16(entry, little), view.getUint16(entry + 2, little)];
    const values = wide(entry + 4);
    const size = SIZES[type];
    if (size === undefined || values > MAX_VALUES) continue;
    const field = entry + (big ? 12 : 8);
    const at = values * size > inline ? wide(field) : field;
    tags.set(
      tag,
      Array.from({ length: values }, (_, index) => readValue(view, at + index * size, type, little)),
    );
  }
}

function readValue(view: DataView, at: number, type: number, little: boolean): number {
  if (type === 1) return view.getUint8(at);
  if (type === 3) return view.getUint16(at, little);
  if (type === 4) return view.getUint32(at, little);
  return view.getUint32(at, little) / view.getUint32(at + 4, little);
}
