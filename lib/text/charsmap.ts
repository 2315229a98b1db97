import { ClipBlipError } from "../common/errors.js";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * SentencePiece's table of replacements, `precompiled_charsmap`: the byte size of a double array, the double array that
 * finds the entries, and the replacements, each ending with a zero byte. The array has the format of Darts-clone
 * (https://github.com/s-yata/darts-clone): one unit for each node, with the offset of its children, a label and two
 * flags.
 */
export class Charsmap {
  readonly #units: Uint32Array;
  readonly #replacements: Uint8Array;

  /** @throws ERR_MODEL_INVALID if the table is truncated */
  constructor(table: Uint8Array) {
    const size = table.length < 4 ? 0 : new DataView(table.buffer, table.byteOffset).getUint32(0, true);
    if (table.length > 0 && (size === 0 || size % 4 !== 0 || size > table.length - 4)) throw damaged();
    // A copy, because a Uint32Array must be aligned to four bytes.
    this.#units = new Uint32Array(new Uint8Array(table.subarray(4, 4 + size)).buffer);
    this.#replacements = table.subarray(4 + size);
  }

  /** Replaces the longest entry at each position; characters without an entry stay as they are. Returns the pieces. */
  replace(text: string): string[] {
    const bytes = encoder.encode(text);
    const pieces: string[] = [];
    for (let start = 0; start < bytes.length; ) {
      const { length, value } = this.#longest(bytes, start);
      if (length > 0) {
        pieces.push(this.#replacement(value));
        start += length;
      } else {
        const end = start + lengthOfCharacter(bytes[start]!);
        pieces.push(decoder.decode(bytes.subarray(start, end)));
        start = end;
      }
    }
    return pieces;
  }

  #longest(bytes: Uint8Array, start: number): { length: number; value: number } {
    const units = this.#units;
    const found = { length: 0, value: 0 };
    if (units.length === 0) return found;
    let node = offsetOf(units[0]!);
    for (let at = start; at < bytes.length; at++) {
      node ^= bytes[at]!;
      const unit = units[node];
      if (unit === undefined || labelOf(unit) !== bytes[at]) return found;
      node ^= offsetOf(unit);
      if (!hasLeaf(unit)) continue;
      const leaf = units[node];
      if (leaf === undefined) throw damaged();
      found.length = at + 1 - start;
      found.value = leaf & 0x7fffffff;
    }
    return found;
  }

  #replacement(start: number): string {
    const end = this.#replacements.indexOf(0, start);
    if (end < 0) throw damaged();
    return decoder.decode(this.#replacements.subarray(start, end));
  }
}

function offsetOf(unit: number): number {
  return ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;
}

function labelOf(unit: number): number {
  return (unit & 0x800000ff) >>> 0;
}

function hasLeaf(unit: number): boolean {
  return (unit & 0x100) !== 0;
}

/** Length in bytes of a UTF-8 character, from its first byte. */
function lengthOfCharacter(byte: number): number {
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

function damaged(): ClipBlipError {
  return new ClipBlipError(
    "ERR_MODEL_INVALID",
    "The precompiled_charsmap in the model's tokenizer.json is damaged: download the file again",
  );
}
