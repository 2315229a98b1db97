import { asBuffer } from "./kinds.js";

/**
 * The still picture of an AVIF that is animated: libvips does not know the brand of such files, which contain one as
 * well, for programs that show no animations. Pillow shows the first frame, which is the same.
 */
export function asStill(bytes: Uint8Array): Uint8Array {
  const brand = Buffer.from("avis");
  if (Buffer.compare(bytes.subarray(8, 12), brand) !== 0) return bytes;
  const copy = Uint8Array.from(bytes);
  copy.set(Buffer.from("avif"), 8);
  return copy;
}

/**
 * Whether the colours of an AVIF were multiplied by its alpha (a "prem" reference in its metadata), which libvips does
 * not tell.
 */
export function hasPremultipliedAlpha(file: Uint8Array): boolean {
  const bytes = asBuffer(file);
  const meta = find(bytes, { start: 0, end: bytes.length }, "meta");
  // Both boxes begin with a version and flags.
  const references = meta && find(bytes, { ...meta, start: meta.start + 4 }, "iref");
  return references !== undefined && find(bytes, { ...references, start: references.start + 4 }, "prem") !== undefined;
}

/** What a box contains; offsets in bytes. */
interface Box {
  start: number;
  end: number;
}

/** The first box of a type among those that another one, or the file, contains. */
function find(bytes: Buffer, { start, end }: Box, type: string): Box | undefined {
  for (let at = start; at + 8 <= end; ) {
    const short = bytes.readUInt32BE(at);
    // 1: the size follows the type, in eight bytes; 0: the box goes to the end.
    const header = short === 1 ? 16 : 8;
    if (at + header > end) return undefined;
    const size = short === 1 ? Number(bytes.readBigUInt64BE(at + 8)) : short === 0 ? end - at : short;
    if (size < header || at + size > end) return undefined;
    if (bytes.toString("latin1", at + 4, at + 8) === type) return { start: at + header, end: at + size };
    at += size;
  }
  return undefined;
}
