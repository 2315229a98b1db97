import { setImmediate as nextTurn } from "node:timers/promises";
import { ClipBlipError, isRangeError } from "../common/errors.js";
import { asBuffer } from "./kinds.js";
import { checkPixels } from "./limits.js";
import type { DecodedImage } from "./types.js";

const FILE_HEADER_BYTES = 14;
const [UNCOMPRESSED, RLE8, RLE4, BITFIELDS, ALPHA_BITFIELDS] = [0, 1, 2, 3, 6];

/** Masks of red, green and blue where the file has none, by bits of a pixel. */
const MASKS: Readonly<Record<number, readonly number[]>> = {
  16: [0x7c00, 0x03e0, 0x001f],
  24: [0xff0000, 0x00ff00, 0x0000ff],
  32: [0xff0000, 0x00ff00, 0x0000ff],
};

/** Pixels decoded between two turns of the event loop: about a millisecond. */
const SLICE = 1 << 17;

/**
 * Decodes a BMP as Pillow's `convert("RGB")` does: 1, 4 and 8 bits with a palette, also run-length encoded, and 16, 24
 * and 32 bits.
 * @throws ERR_IMAGE_DECODE for a damaged file and for other kinds; ERR_IMAGE_TOO_LARGE
 */
export async function decodeBmp(file: Uint8Array, name: string, maxPixels: number): Promise<DecodedImage> {
  const bytes = asBuffer(file);
  try {
    const header = readHeader(bytes, name);
    checkPixels(name, header.width, header.height, maxPixels);
    return await readPixels(bytes, header);
  } catch (error) {
    if (!isRangeError(error)) throw error;
    throw new ClipBlipError("ERR_IMAGE_DECODE", `${name} is a BMP that is damaged or cut short.`, { cause: error });
  }
}

interface BmpHeader {
  width: number;
  height: number;
  /** Whether the first row of the file is the topmost. */
  topDown: boolean;
  bits: number;
  /** Whether the indices of the palette are run-length encoded. */
  runs: boolean;
  masks: readonly number[];
  /** Offset of the palette, and bytes and number of its entries. */
  palette: { start: number; bytes: number; colours: number };
  pixels: number;
}

function readHeader(bytes: Buffer, name: string): BmpHeader {
  const size = bytes.readUInt32LE(FILE_HEADER_BYTES);
  // 12 bytes: the header of OS/2 and Windows 2.
  const old = size === 12;
  const [width, height] = old
    ? [bytes.readUInt16LE(18), bytes.readUInt16LE(20)]
    : [bytes.readInt32LE(18), bytes.readInt32LE(22)];
  const bits = bytes.readUInt16LE(old ? 24 : 28);
  const compression = old ? UNCOMPRESSED : bytes.readUInt32LE(30);
  const masked = compression === BITFIELDS || compression === ALPHA_BITFIELDS;
  const runs = (compression === RLE8 && bits === 8) || (compression === RLE4 && bits === 4);
  if ((compression !== UNCOMPRESSED && !masked && !runs) || ![1, 4, 8, 16, 24, 32].includes(bits)) {
    throw unsupported(name, `compression ${compression} with ${bits} bits for each pixel`);
  }
  if (width < 1 || height === 0) throw new RangeError("no pixels");
  const masks = masked ? [54, 58, 62].map((at) => bytes.readUInt32LE(at)) : (MASKS[bits] ?? []);
  const after = FILE_HEADER_BYTES + size + (masked && size === 40 ? 12 : 0);
  const used = old ? 0 : bytes.readUInt32LE(46);
  const colours = bits > 8 ? 0 : used || 1 << bits;
  return {
    width,
    height: Math.abs(height),
    topDown: height < 0,
    bits,
    runs,
    masks,
    palette: { start: after, bytes: old ? 3 : 4, colours: Math.min(colours, 256) },
    pixels: bytes.readUInt32LE(10),
  };
}

async function readPixels(file: Buffer, whole: BmpHeader): Promise<DecodedImage> {
  const { width, height, topDown } = whole;
  const { bytes, bits, pixels, header } = whole.runs
    ? { bytes: expandRuns(file, whole), bits: 8, pixels: 0, header: { ...whole, bits: 8 } }
    : { bytes: file, bits: whole.bits, pixels: whole.pixels, header: whole };
  const rowBytes = Math.ceil((width * bits) / 32) * 4;
  // Refused before memory is taken.
  if (pixels + rowBytes * (height - 1) + Math.ceil((width * bits) / 8) > bytes.length)
    throw new RangeError("too short");
  const data = new Uint8Array(width * height * 3);
  const colourAt = bits > 8 ? directColour(bytes, header) : paletteColour(bytes, file, header);
  const turn = Math.max(1, Math.floor(SLICE / width));
  for (let y = 0; y < height; y++) {
    if (y > 0 && y % turn === 0) await nextTurn();
    const row = pixels + (topDown ? y : height - 1 - y) * rowBytes;
    for (let x = 0; x < width; x++) colourAt(row, x, data, (y * width + x) * 3);
  }
  return { data, width, height };
}

/** Writes the colour of pixel `x` of the row that begins at `row`. */
type Colour = (row: number, x: number, data: Uint8Array, at: number) => void;

/** The indices of a run-length encoded picture, one a byte, in rows of a multiple of four bytes. */
function expandRuns(bytes: Buffer, { width, height, bits, pixels }: BmpHeader): Buffer {
  const rowBytes = Math.ceil(width / 4) * 4;
  const indices = Buffer.alloc(rowBytes * height);
  // Of two indices in a byte, the upper one is first.
  const index = (at: number, n: number) =>
    bits === 8 ? bytes.readUInt8(at + n) : (bytes.readUInt8(at + (n >> 1)) >> (n % 2 === 0 ? 4 : 0)) & 15;
  let [x, y, at] = [0, 0, pixels];
  const put = (value: number) => {
    if (x < width && y < height) indices[y * rowBytes + x] = value;
    x++;
  };
  while (y < height) {
    const [count, value] = [bytes.readUInt8(at), bytes.readUInt8(at + 1)];
    at += 2;
    if (count > 0) {
      for (let n = 0; n < count; n++) put(bits === 8 ? value : (value >> (n % 2 === 0 ? 4 : 0)) & 15);
    } else if (value === 0) {
      [x, y] = [0, y + 1];
    } else if (value === 1) {
      break;
    } else if (value === 2) {
      x += bytes.readUInt8(at);
      y += bytes.readUInt8(at + 1);
      at += 2;
    } else {
      for (let n = 0; n < value; n++) put(index(at, n));
      // As a whole number of 16-bit words.
      at += Math.ceil((value * bits) / 16) * 2;
    }
  }
  return indices;
}

/** @param file where the palette is */
function paletteColour(bytes: Buffer, file: Buffer, { bits, palette }: BmpHeader): Colour {
  const perByte = 8 / bits;
  const table = Array.from({ length: palette.colours }, (_, index) => palette.start + index * palette.bytes);
  return (row, x, data, at) => {
    const shift = 8 - bits - (x % perByte) * bits;
    const index = (bytes[row + Math.floor(x / perByte)]! >> shift) & ((1 << bits) - 1);
    const entry = table[index];
    // An index beyond the palette is black, as in Pillow.
    if (entry === undefined) return;
    for (let c = 0; c < 3; c++) data[at + c] = file.readUInt8(entry + 2 - c);
  };
}

function directColour(bytes: Buffer, { bits, masks }: BmpHeader): Colour {
  const size = bits / 8;
  const channels = masks.map((mask) => {
    const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask);
    return { shift, most: mask >>> shift };
  });
  return (row, x, data, at) => {
    const value = bytes.readUIntLE(row + x * size, size);
    for (const [c, { shift, most }] of channels.entries()) {
      if (most > 0) data[at + c] = Math.floor((((value >>> shift) & most) * 255) / most);
    }
  };
}

function unsupported(name: string, what: string): ClipBlipError {
  return new ClipBlipError(
    "ERR_IMAGE_DECODE",
    `${name} is a BMP with ${what}, which is not supported: save it as PNG.`,
  );
}
