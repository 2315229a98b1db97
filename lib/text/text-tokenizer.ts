import { toUSVString } from "node:util";
import { ClipBlipError } from "../common/errors.js";

/** Text to token ids for a text tower. */
export interface TextTokenizer {
  /**
   * Ids of a text, special tokens included.
   *
   * @param options.truncate cut at the context length and keep the end token, as `truncation=True`; true by default
   * @throws ERR_INVALID_ARGUMENT for anything but a string; ERR_TEXT_TOO_LONG where it is not to be cut
   */
  encode(text: string, options?: { truncate?: boolean }): number[];
  /** Row-major ids of a batch, each row as long as the tower needs it. */
  pad(rows: readonly number[][]): Int32Array;
}

/** Row-major ids, with rows padded to `length` with `padTokenId`. */
export function padRows(
  rows: readonly number[][],
  length: number,
  padTokenId: number,
  side: "left" | "right" = "right",
): Int32Array {
  const ids = new Int32Array(rows.length * length).fill(padTokenId);
  rows.forEach((row, index) => {
    ids.set(row, index * length + (side === "left" ? length - row.length : 0));
  });
  return ids;
}

/** @param atLeast whether the text was cut before its tokens were counted */
export function tooLong(count: number, limit: number, atLeast: boolean): ClipBlipError {
  return new ClipBlipError(
    "ERR_TEXT_TOO_LONG",
    `The text has ${atLeast ? "more than " : ""}${count} tokens with the special ones, and the model takes ${limit}. ` +
      "Shorten it, or allow truncation.",
  );
}

/**
 * A text that tokenizers can take: checked to be a string, lone surrogates replaced by U+FFFD (Python refuses them).
 *
 * @param name what the caller knows the value as, such as `texts[3]`
 * @throws ERR_INVALID_ARGUMENT for anything but a string
 */
export function normaliseText(value: unknown, name = "text"): string {
  assertText(value, name);
  return toUSVString(value);
}

/** @throws ERR_INVALID_ARGUMENT for anything but a string */
export function assertText(value: unknown, name = "text"): asserts value is string {
  if (typeof value === "string") return;
  const kind = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  throw new ClipBlipError("ERR_INVALID_ARGUMENT", `${name} is ${kind}; give a string.`);
}
