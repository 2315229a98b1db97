import { toUSVString } from "node:util";
import { Encoder, readAddedTokens } from "./encoder.js";
import { readEnds } from "./ends.js";
import { type JsonPart, parseTokenizerFile } from "./load-tokenizer.js";
import { unigramEncoder } from "./siglip-unigram.js";
import { normaliseText, padRows, type TextTokenizer } from "./text-tokenizer.js";
import { TokenLimit } from "./token-limit.js";

/** What the tokenizer needs to know about the model. */
export interface SiglipTokenizerOptions {
  /** Number of tokens that the model takes; every text is padded to it. */
  contextLength: number;
  padTokenId: number;
}

/** Number of tokens to consider after the last one kept; text beyond can change it only through a chain of merges. */
const MARGIN = 32;

/**
 * Creates the tokenizer of SigLIP (unigram vocabulary, SiglipTokenizer in transformers) or SigLIP 2 (byte-pair
 * vocabulary, GemmaTokenizer or Siglip2Tokenizer) from the contents of tokenizer.json and tokenizer_config.json.
 *
 * Texts are always padded to the model's context length, as in its training: the model reads the state at the last
 * position, and its attention sees the padding.
 *
 * @throws ERR_MODEL_INVALID
 */
export function createSiglipTokenizer(
  tokenizerJson: string,
  tokenizerConfigJson: string,
  { contextLength, padTokenId }: SiglipTokenizerOptions,
): TextTokenizer {
  const tokenizer = parseTokenizerFile(tokenizerJson, "tokenizer.json");
  const config = parseTokenizerFile(tokenizerConfigJson, "tokenizer_config.json");
  const isUnigram = (tokenizer.model as JsonPart | undefined)?.type === "Unigram";
  const create = isUnigram ? unigramTokenizer : bytePairTokenizer;
  const { encode, tokens, side } = create(tokenizer, config, contextLength);
  const pad = (rows: readonly number[][]) => padRows(rows, tokens, padTokenId, side);
  return { encode, pad };
}

/** One of the two kinds. */
interface SiglipKind {
  encode: TextTokenizer["encode"];
  /** Every text has so many. */
  tokens: number;
  /** Where shorter texts are padded. */
  side: "left" | "right";
}

function bytePairTokenizer(tokenizer: JsonPart, config: JsonPart, positions: number): SiglipKind {
  const className = String(config.tokenizer_class ?? "").replace(/Fast$/, "");
  const lowerCase = className === "Siglip2Tokenizer";
  const encoder = new Encoder(lowerCase ? { ...tokenizer, normalizer: lowerFirst(tokenizer.normalizer) } : tokenizer);
  const limit = new TokenLimit(positions, config, encoder.ends);
  const window = (limit.tokens + MARGIN) * encoder.longestToken;
  const shorten = (text: string) =>
    text.length > window ? { text: toUSVString(text.slice(0, window)), cut: true } : { text, cut: false };

  function encode(value: string, { truncate = true }: { truncate?: boolean } = {}): number[] {
    return limit.apply(limit.encode(encoder, normaliseText(value), shorten), { truncate });
  }

  // Gemma's classes pad on the left unless the file says otherwise, as it does for SigLIP 2.
  const side = config.padding_side ?? (/^(Gemma|Siglip2)/.test(className) ? "left" : "right");
  return { encode, tokens: limit.tokens, side: side === "left" ? "left" : "right" };
}

function lowerFirst(normalizer: unknown): JsonPart {
  return { type: "Sequence", normalizers: [{ type: "Lowercase" }, ...(normalizer ? [normalizer] : [])] };
}

function unigramTokenizer(tokenizer: JsonPart, config: JsonPart, positions: number): SiglipKind {
  const { vocab } = tokenizer.model as { vocab: [string, number][] };
  const addedTokens = readAddedTokens(tokenizer);
  const pieces = Array.isArray(vocab)
    ? vocab.map((entry: unknown, id) => [Array.isArray(entry) ? String(entry[0]) : "", id] as const)
    : [];
  const ids = new Map([...pieces, ...addedTokens.map(({ content, id }) => [content, id] as const)]);
  const ends = readEnds(tokenizer, ids);
  const limit = new TokenLimit(positions, config, ends);
  const longest = [...ids.keys()].reduce((most, token) => Math.max(most, token.length), 1);
  // SentencePiece collapses whitespace, so a unigram vocabulary has to see the whole text.
  const window = (limit.tokens + MARGIN) * longest;
  const encodeText = unigramEncoder(tokenizer, { addedTokens, lowerCase: config.do_lower_case !== false, window });

  function encode(value: string, { truncate = true }: { truncate?: boolean } = {}): number[] {
    const tokens = encodeText(normaliseText(value));
    // A text that ends with the end token does not get a second one, as in SiglipTokenizer.
    const ids = limit.apply({ ids: tokens, cut: tokens.length > window }, { truncate });
    const ended = ends.after.length === 1 && ids.length > 1 && ids.at(-2) === ends.after[0];
    return ended ? ids.slice(0, -1) : ids;
  }

  return { encode, tokens: limit.tokens, side: config.padding_side === "left" ? "left" : "right" };
}
