import { toUSVString } from "node:util";
import { loadTokenizer, tokenId } from "./load-tokenizer.js";
import { guardLookalikes, lowerSigma } from "./python-parity.js";
import { normaliseText, padRows, type TextTokenizer, tooLong } from "./text-tokenizer.js";

/** What the tokenizer has to know of the model. */
export interface ClipTokenizerOptions {
  /** Tokens that the model takes, start and end token included. */
  contextLength: number;
  /** What shorter rows of a batch are padded with. */
  padTokenId: number;
}

const END = "<|endoftext|>";

/**
 * CLIPTokenizer of transformers, from the text of tokenizer.json and tokenizer_config.json. Rows are padded to the longest
 * of a batch, which changes nothing: the text tower attends backwards only and takes the state at the first end token, so
 * it never sees the padding, whether that is the end token again or "!" (0).
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

/** In bytes: a token of a byte-level vocabulary has one character for each byte, beside the mark of a word's end. */
function longestToken(vocabulary: Iterable<string | undefined>): number {
  let longest = 1;
  for (const token of vocabulary) longest = Math.max(longest, (token ?? "").replace("</w>", "").length);
  return longest;
}

/** The longest token and the number of tokens that are kept. */
export interface WindowOptions {
  /** Of the longest token of the vocabulary, in bytes. */
  longestToken: number;
  /** Tokens kept of a text. */
  tokens: number;
}

/** Tokens that are looked at behind the last one kept, see below. */
const MARGIN = 32;

/**
 * Cuts very long text before it is tokenized, so that a megabyte costs no more than a few pages, in such a way that the
 * first `tokens` tokens stay what they are.
 *
 * The text is composed (NFC) and its white space collapsed first, as the tokenizer does anyway. Then every character is
 * a byte of a token at least, except for single spaces between tokens, so the window holds `tokens + MARGIN` tokens at
 * least. Words are tokenized apart from each other, so only the tokens of the word that is cut can change; and within a
 * word a merge can depend on what follows it only through a chain of neighbouring merges of ever lower rank: `MARGIN`
 * tokens of the greatest length between the cut and the last token kept are far beyond what such chains reach.
 */
export function clipWindow(text: string, { longestToken, tokens }: WindowOptions): { text: string; cut: boolean } {
  const limit = (tokens + MARGIN) * (longestToken + 1);
  if (text.length <= limit) return { text, cut: false };
  const collapsed = text.normalize("NFC").replace(/\p{White_Space}+/gu, " ");
  if (collapsed.length <= limit) return { text: collapsed, cut: false };
  // Half a surrogate pair at the end is made U+FFFD: it is far behind what is kept.
  return { text: toUSVString(collapsed.slice(0, limit)), cut: true };
}
