import { toUSVString } from "node:util";
import { type Cut, Encoder } from "./encoder.js";
import { parseTokenizerFile } from "./load-tokenizer.js";
import { normaliseText, padRows, type TextTokenizer } from "./text-tokenizer.js";
import { TokenLimit } from "./token-limit.js";

/** What the tokenizer needs to know about the model. */
export interface ClipTokenizerOptions {
  /** Maximum number of tokens, start and end token included. */
  contextLength: number;
  /** The token that pads shorter rows of a batch. */
  padTokenId: number;
}

/**
 * Creates transformers' CLIPTokenizer from the contents of tokenizer.json and tokenizer_config.json. Rows are padded to
 * the longest of a batch. The padding does not change the result, whether it is another end token or "!" (0): attention
 * is causal and the text tower takes the state at the first end token.
 *
 * @throws ERR_MODEL_INVALID
 */
export function createClipTokenizer(
  tokenizerJson: string,
  tokenizerConfigJson: string,
  { contextLength, padTokenId }: ClipTokenizerOptions,
): TextTokenizer {
  const encoder = new Encoder(parseTokenizerFile(tokenizerJson, "tokenizer.json"));
  const config = parseTokenizerFile(tokenizerConfigJson, "tokenizer_config.json");
  const limit = new TokenLimit(contextLength, config, encoder.ends);
  const window = { longestToken: encoder.longestToken, tokens: limit.tokens };

  function encode(value: string, { truncate = true }: { truncate?: boolean } = {}): number[] {
    const body = limit.encode(encoder, normaliseText(value), (text) => clipWindow(text, window));
    return limit.apply(body, { truncate });
  }

  const pad = (rows: readonly number[][]) => padRows(rows, Math.max(0, ...rows.map((row) => row.length)), padTokenId);

  return { encode, pad };
}

/** What the size of the window depends on. */
export interface WindowOptions {
  /** Length of the vocabulary's longest token, in bytes. */
  longestToken: number;
  /** Number of tokens to keep. */
  tokens: number;
}

/** Number of tokens to consider after the last one kept; see below. */
const MARGIN = 32;

/**
 * Cuts very long texts before tokenization, so that a megabyte costs no more than a few pages, without changing the
 * first `tokens` tokens.
 *
 * The text is first composed (NFC) and its whitespace collapsed, as the tokenizer does anyway. After that, every
 * character is at least one byte of a token, except a single space between two tokens, so the window holds at least
 * `tokens + MARGIN` tokens. Words are tokenized independently, so only tokens of the word at the cut can change. Within
 * a word, a merge depends on later text only through a chain of neighbouring merges of ever lower rank; `MARGIN` tokens
 * of maximum length between the last token kept and the cut are far more than such chains reach.
 */
function clipWindow(text: string, { longestToken, tokens }: WindowOptions): Cut {
  const limit = (tokens + MARGIN) * (longestToken + 1);
  if (text.length <= limit) return { text, cut: false };
  const collapsed = text.normalize("NFC").replace(/\p{White_Space}+/gu, " ");
  if (collapsed.length <= limit) return { text: collapsed, cut: false };
  // Half a surrogate pair at the cut becomes U+FFFD, far after the last token kept.
  return { text: toUSVString(collapsed.slice(0, limit)), cut: true };
}
