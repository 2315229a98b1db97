import { toUSVString } from "node:util";

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
 * a byte of a token at least, but for one blank between two tokens, so the window holds `tokens + MARGIN` tokens at
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
