import { ClipBlipError, isRangeError } from "../common/errors.js";
import { asBuffer } from "./kinds.js";
import { checkPixels } from "./limits.js";
import { OPEN, rgbPixels } from "./pixels.js";
import { loadSharp } from "./sharp.js";
import type { DecodedImage } from "./types.js";

/**
 * The first frame of a GIF on its canvas, as Pillow shows it.
 *
 * @throws ERR_IMAGE_DECODE, ERR_IMAGE_TOO_LARGE, and what sharp throws
 */
export async function decodeGif(bytes: Uint8Array, name: string, maxPixels: number): Promise<DecodedImage> {
  const frame = firstGifFrame(bytes);
  if (!frame) throw new ClipBlipError("ERR_IMAGE_DECODE", `${name} is a GIF that is damaged or cut short.`);
  const { width, height, left, top, canvasWidth, canvasHeight, background } = frame;
  checkPixels(name, canvasWidth, canvasHeight, maxPixels);
  const sharp = await loadSharp();
  const image = sharp(asBuffer(frame.file), { ...OPEN, limitInputPixels: maxPixels });
  if (width === canvasWidth && height === canvasHeight) return rgbPixels(image);
  const [right, bottom] = [canvasWidth - left - width, canvasHeight - top - height];
  return rgbPixels(image.extend({ left, right, top, bottom, background }));
}

/** The first frame of a GIF as a file of its own, and where it sits on the canvas. Lengths in pixels. */
export interface GifFrame {
  file: Uint8Array;
  width: number;
  height: number;
  left: number;
  top: number;
  canvasWidth: number;
  canvasHeight: number;
  /** What Pillow fills the canvas with around the frame. */
  background: { r: number; g: number; b: number };
}

/**
 * Takes the first frame out of a GIF, without its transparency: Pillow's `convert("RGB")` gives transparent pixels the
 * colour that the palette has for them, while libvips gives them black and does not keep the palette. Cutting the other
 * frames off saves the decoder from scanning them, too.
 *
 * @returns undefined where the file ends early or has no frame; the decoder then says what is wrong
 */
function firstGifFrame(bytes: Uint8Array): GifFrame | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return parse(bytes, view);
  } catch (error) {
    if (isRangeError(error)) return undefined;
    throw error;
  }
}

const SCREEN_END = 13;

function parse(bytes: Uint8Array, view: DataView): GifFrame | undefined {
  const globalColours = colourTable(view.getUint8(10), SCREEN_END);
  let at = globalColours.end;
  let transparent: number | undefined;
  for (let block = view.getUint8(at); block === 0x21; block = view.getUint8(at)) {
    if (view.getUint8(at + 1) === 0xf9 && view.getUint8(at + 3) & 1) transparent = view.getUint8(at + 6);
    at = skipSubBlocks(view, at + 2);
  }
  if (view.getUint8(at) !== 0x2c) return undefined;

  const [left, top, width, height] = [1, 3, 5, 7].map((offset) => view.getUint16(at + offset, true));
  const localColours = colourTable(view.getUint8(at + 9), at + 10);
  const end = skipSubBlocks(view, localColours.end + 1);
  const colours = localColours.size > 0 ? localColours : globalColours;
  return {
    file: assemble(bytes, globalColours.end, at, end, width!, height!),
    width: width!,
    height: height!,
    left: left!,
    top: top!,
    canvasWidth: Math.max(view.getUint16(6, true), left! + width!),
    canvasHeight: Math.max(view.getUint16(8, true), top! + height!),
    background: colourAt(bytes, colours, transparent ?? 0),
  };
}

/** A new GIF: the screen, as large as the frame; the global colours; the frame, at its corner; the trailer. */
function assemble(
  bytes: Uint8Array,
  globalEnd: number,
  frame: number,
  frameEnd: number,
  width: number,
  height: number,
): Uint8Array {
  const file = new Uint8Array(globalEnd + (frameEnd - frame) + 1);
  file.set(bytes.subarray(0, globalEnd), 0);
  file.set(bytes.subarray(frame, frameEnd), globalEnd);
  file[file.length - 1] = 0x3b;
  const view = new DataView(file.buffer);
  view.setUint16(6, width, true);
  view.setUint16(8, height, true);
  view.setUint32(globalEnd + 1, 0, true);
  return file;
}

interface ColourTable {
  start: number;
  end: number;
  /** Colours; 0 where there is no table. */
  size: number;
}

function colourTable(flags: number, start: number): ColourTable {
  const size = flags & 0x80 ? 2 << (flags & 7) : 0;
  return { start, end: start + size * 3, size };
}

function colourAt(bytes: Uint8Array, table: ColourTable, index: number): GifFrame["background"] {
  // Without a table Pillow takes the indices for levels of grey.
  if (table.size === 0) return { r: index, g: index, b: index };
  const at = index < table.size ? table.start + index * 3 : -3;
  return { r: bytes[at] ?? 0, g: bytes[at + 1] ?? 0, b: bytes[at + 2] ?? 0 };
}

function skipSubBlocks(view: DataView, at: number): number {
  let next = at;
  for (let size = view.getUint8(next); size > 0; size = view.getUint8(next)) next += size + 1;
  return next + 1;
}
