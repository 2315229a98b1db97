import { clipWindow } from "./clip-window.js";
import { loadTokenizer, tokenId } from "./load-tokenizer.js";
import { guardLookalikes, lowerSigma } from "./python-parity.js";
import { normaliseText } from "./text.js";
import { padRows, type TextTokenizer, tooLong } from "./text-tokenizer.js";

/** What the tokenizer has to know of the model. */
export interface ClipTokenizerOptions {
  /** Tokens that the model takes, start and end token included. */
  contextLength: number;
  /** What shorter rows of a batch are filled with. */
  padTokenId: number;
}

const END = "<|endoftext|>";

/**
 * CLIPTokenizer of transformers, from the text of tokenizer.json and tokenizer_config.json. Rows are padded to the longest
 * of a batch, which changes nothing: the text tower attends backwards only and takes the state at the first end token, so
 * nothing behind that is seen, be it another end token or "!" (0).
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
