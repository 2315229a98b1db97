import { ClipBlipError } from "../errors.js";
import { clipWindow } from "./clip-window.js";
import { loadTokenizer, tokenId } from "./load-tokenizer.js";
import { guardLookalikes, lowerSigma } from "./python-parity.js";
import { normaliseText } from "./text.js";

/** What the tokenizer has to know of the model. */
export interface ClipTokenizerOptions {
  /** Tokens that the model takes, start and end token included. */
  contextLength: number;
  /** What shorter rows of a batch are filled with. */
  padTokenId: number;
}

/** Rows of token ids, padded to the longest of them. */
export interface TokenBatch {
  /** Row-major [rows, length]. */
  ids: Int32Array;
  rows: number;
  length: number;
}

/** Text to token ids as CLIPTokenizer of transformers does. */
export interface ClipTokenizer {
  /**
   * Ids of a text, start and end token included.
   *
   * @param options.truncate cut at the context length and keep the end token, as `truncation=True`; true by default
   * @throws ERR_INVALID_ARGUMENT for anything but a string; ERR_TEXT_TOO_LONG where it is not to be cut
   */
  encode(text: string, options?: { truncate?: boolean }): number[];
  /**
   * Row-major ids, each row padded to the longest. Exact: the text tower attends backwards only and takes the state at
   * the first end token, so nothing behind that is seen, be it another end token or "!" (0).
   */
  pad(rows: readonly number[][]): Int32Array;
  /** `encode` of each text, then `pad`. An error names the item to blame by its `index`. */
  encodeBatch(texts: readonly string[], options?: { truncate?: boolean }): TokenBatch;
}

const END = "<|endoftext|>";

/**
 * A tokenizer from the text of tokenizer.json and tokenizer_config.json.
 *
 * @throws ERR_MODEL_INVALID
 */
export function createClipTokenizer(
  tokenizerJson: string,
  tokenizerConfigJson: string,
  { contextLength, padTokenId }: ClipTokenizerOptions,
): ClipTokenizer {
  const tokenizer = loadTokenizer(tokenizerJson, tokenizerConfigJson);
  const endTokenId = tokenId(tokenizer, END);
  const added = [...tokenizer.get_added_tokens_decoder().values()];
  const special = added.filter((token) => !token.normalized).map((token) => token.content);
  const window = { longestToken: longestToken(tokenizer.get_vocab(false).keys()), tokens: contextLength };

  function encode(value: string, { truncate = true }: { truncate?: boolean } = {}): number[] {
    const { text, cut } = clipWindow(normaliseText(value), window);
    const { ids } = tokenizer.encode(guardLookalikes(lowerSigma(text), special));
    if (ids.length <= contextLength) return ids;
    if (!truncate) throw tooLong(ids.length, contextLength, cut);
    return [...ids.slice(0, contextLength - 1), endTokenId];
  }

  function pad(rows: readonly number[][]): Int32Array {
    const length = Math.max(0, ...rows.map((row) => row.length));
    const ids = new Int32Array(rows.length * length).fill(padTokenId);
    rows.forEach((row, index) => {
      ids.set(row, index * length);
    });
    return ids;
  }

  function encodeBatch(texts: readonly string[], options?: { truncate?: boolean }): TokenBatch {
    const rows = texts.map((text, index) => blaming(index, () => encode(text, options)));
    const ids = pad(rows);
    return { ids, rows: rows.length, length: rows.length === 0 ? 0 : ids.length / rows.length };
  }

  return { encode, pad, encodeBatch };
}

function blaming<T>(index: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof ClipBlipError ? error.at(index) : error;
  }
}

/** In bytes: a token of a byte-level vocabulary has one character for each byte, beside the mark of a word's end. */
function longestToken(vocabulary: Iterable<string | undefined>): number {
  let longest = 1;
  for (const token of vocabulary) longest = Math.max(longest, (token ?? "").replace("</w>", "").length);
  return longest;
}

function tooLong(count: number, limit: number, cut: boolean): ClipBlipError {
  return new ClipBlipError(
    "ERR_TEXT_TOO_LONG",
    `The text has ${cut ? "more than " : ""}${count} tokens, start and end included, and the model takes ${limit}. ` +
      "Shorten it, or allow truncation.",
  );
}
