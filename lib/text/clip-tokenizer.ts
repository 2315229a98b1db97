import { toUSVString } from "node:util";
import { loadTokenizer, tokenId } from "./load-tokenizer.js";
import { guardLookalikes, lowerSigma } from "./python-parity.js";
import { normaliseText, padRows, type TextTokenizer, tooLong } from "./text-tokenizer.js";

/** What the tokenizer needs to know about the model. */
export interface ClipTokenizerOptions {
  /** Maximum number of tokens, start and end token included. */
  contextLength: number;
  /** The token that pads shorter rows of a batch. */
  padTokenId: number;
}

const END = "<|endoftext|>";

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

  const pad = (rows: readonly number[][]) => padRows(rows, Math.max(0, ...rows.map((row) => row.length)), padTokenId);

  return { encode, pad };
}

/** In bytes: a token of a byte-level vocabulary has one character for each byte, besides the end-of-word mark. */
function longestToken(vocabulary: Iterable<string | undefined>): number {
  let longest = 1;
  for (const token of vocabulary) longest = Math.max(longest, (token ?? "").replace("</w>", "").length);
  return longest;
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
function clipWindow(text: string, { longestToken, tokens }: WindowOptions): { text: string; cut: boolean } {
  const limit = (tokens + MARGIN) * (longestToken + 1);
  if (text.length <= limit) return { text, cut: false };
  const collapsed = text.normalize("NFC").replace(/\p{White_Space}+/gu, " ");
  if (collapsed.length <= limit) return { text: collapsed, cut: false };
  // Half a surrogate pair at the cut becomes U+FFFD, far after the last token kept.
  return { text: toUSVString(collapsed.slice(0, limit)), cut: true };
}
