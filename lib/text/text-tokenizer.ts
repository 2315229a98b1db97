import { toUSVString } from "node:util";
import { ClipBlipError } from "../common/errors.js";

/** Turns texts into token ids for a text tower. */
export interface TextTokenizer {
  /**
   * The ids of a text, special tokens included.
   *
   * @param options.truncate cut at the context length and keep the end token, as `truncation=True` does. Default true
   * @throws ERR_INVALID_ARGUMENT if the text is not a string; ERR_TEXT_TOO_LONG if it is too long and `truncate` is
   * false
   */
  encode(text: string, options?: { truncate?: boolean }): number[];
  /** Row-major ids of a batch, each row padded to the length that the tower needs. */
  pad(rows: readonly number[][]): Int32Array;
}

/** Row-major ids, rows padded to `length` with `padTokenId`. */
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

/** @param atLeast whether the text was cut before its tokens were counted, so that `count` is a lower bound */
export function tooLong(count: number, limit: number, atLeast: boolean): ClipBlipError {
  return new ClipBlipError(
    "ERR_TEXT_TOO_LONG",
    `The text has ${atLeast ? "more than " : ""}${count} tokens, special tokens included, but the model takes at most ${limit}. ` +
      "Shorten it or allow truncation.",
  );
}

/**
 * Checks that a value is a string and replaces lone surrogates by U+FFFD (Python rejects them).
 *
 * @param name what the caller calls the value, such as `texts[3]`
 * @throws ERR_INVALID_ARGUMENT if it is not a string
 */
export function normaliseText(value: unknown, name = "text"): string {
  assertText(value, name);
  return toUSVString(value);
}

/** @throws ERR_INVALID_ARGUMENT if the value is not a string */
function assertText(value: unknown, name = "text"): asserts value is string {
  if (typeof value === "string") return;
  const kind = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  throw new ClipBlipError("ERR_INVALID_ARGUMENT", `${name} is ${kind}; pass a string.`);
}
