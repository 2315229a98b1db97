import { toUSVString } from "node:util";
import type { AddedToken } from "./added-tokens.js";
import { invalidTokenizer, type JsonPart, parseTokenizerFile } from "./load-tokenizer.js";
import { bpeEncoder } from "./siglip-bpe.js";
import { unigramEncoder } from "./siglip-unigram.js";
import { normaliseText, padRows, type TextTokenizer, tooLong } from "./text-tokenizer.js";

/** What the tokenizer needs to know about the model. */
export interface SiglipTokenizerOptions {
  /** Number of tokens that the model takes; every text is padded to it. */
  contextLength: number;
  padTokenId: number;
}

/** Ids that precede and follow those of every text. */
interface Ends {
  before: number[];
  after: number[];
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
  const model = tokenizer.model as JsonPart | undefined;
  const addedTokens = readAddedTokens(tokenizer);
  const ids = vocabularyIds(model, tokenizer);
  const longest = [...ids.keys()].reduce((most, token) => Math.max(most, token.length), 1);
  const window = (contextLength + MARGIN) * longest;
  const isUnigram = model?.type === "Unigram";
  const className = String(config.tokenizer_class ?? "").replace(/Fast$/, "");
  const encodeText = isUnigram
    ? unigramEncoder(tokenizer, { addedTokens, lowerCase: config.do_lower_case !== false, window })
    : bpeEncoder(tokenizer, { addedTokens, lowerCase: className === "Siglip2Tokenizer" });
  const ends = isUnigram ? endTokenAlone(config, ids) : readEnds(tokenizer, config, ids);
  const room = contextLength - ends.before.length - ends.after.length;
  // Gemma's classes pad on the left unless the file says otherwise, as it does for SigLIP 2.
  const side = config.padding_side ?? (/^(Gemma|Siglip2)/.test(className) ? "left" : "right");

  function encode(value: string, { truncate = true }: { truncate?: boolean } = {}): number[] {
    const text = normaliseText(value);
    // SentencePiece collapses whitespace, so a unigram vocabulary has to see the whole text.
    const cut = !isUnigram && text.length > window;
    const tokens = encodeText(cut ? toUSVString(text.slice(0, window)) : text);
    if (tokens.length > room && !truncate) {
      throw tooLong(tokens.length + contextLength - room, contextLength, cut || tokens.length > window);
    }
    const kept = tokens.slice(0, room);
    // A text that ends with the end token does not get a second one, as in SiglipTokenizer.
    const ended = isUnigram && kept.at(-1) === ends.after[0];
    return [...ends.before, ...kept, ...(ended ? [] : ends.after)];
  }

  const pad = (rows: readonly number[][]) =>
    padRows(rows, contextLength, padTokenId, side === "left" ? "left" : "right");

  return { encode, pad };
}

/** The added tokens that are matched in the raw text. */
function readAddedTokens({ added_tokens: added }: JsonPart): AddedToken[] {
  const tokens = Array.isArray(added) ? (added as (AddedToken & { normalized?: boolean })[]) : [];
  return tokens.filter(({ content, normalized }) => typeof content === "string" && content !== "" && !normalized);
}

/** Ids by token, of a vocabulary that is a list of pieces or an object, and of the added tokens. */
function vocabularyIds(model: JsonPart | undefined, tokenizer: JsonPart): Map<string, number> {
  const vocab = model?.vocab;
  const entries: [string, number][] = Array.isArray(vocab)
    ? vocab.map((entry: unknown, id) => [Array.isArray(entry) ? String(entry[0]) : "", id])
    : Object.entries((vocab ?? {}) as Record<string, number>);
  return new Map([...entries, ...readAddedTokens(tokenizer).map(({ content, id }): [string, number] => [content, id])]);
}

function endTokenAlone(config: JsonPart, ids: ReadonlyMap<string, number>): Ends {
  return { before: [], after: [idOf(config.eos_token, ids, "eos_token")] };
}

/**
 * The ids around every text. `add_bos_token` and `add_eos_token` in tokenizer_config.json take precedence over
 * tokenizer.json, as in transformers.
 */
function readEnds(tokenizer: JsonPart, config: JsonPart, ids: ReadonlyMap<string, number>): Ends {
  if (config.add_bos_token !== undefined || config.add_eos_token !== undefined) {
    return {
      before: config.add_bos_token ? [idOf(config.bos_token, ids, "bos_token")] : [],
      after: config.add_eos_token ? [idOf(config.eos_token, ids, "eos_token")] : [],
    };
  }
  const processor = tokenizer.post_processor as JsonPart | null | undefined;
  if (!processor) return { before: [], after: [] };
  const template = processor.type === "TemplateProcessing" ? processor.single : undefined;
  if (!Array.isArray(template)) {
    throw invalidTokenizer(
      `tokenizer.json has an unsupported post_processor of type ${JSON.stringify(processor.type)}`,
    );
  }
  const at = template.findIndex((part: JsonPart) => part.Sequence !== undefined);
  const special = (parts: { SpecialToken: { id: string } }[]) =>
    parts.map(({ SpecialToken }) => idOf(SpecialToken.id, ids, "post_processor"));
  return { before: special(template.slice(0, at)), after: special(template.slice(at + 1)) };
}

/** @throws ERR_MODEL_INVALID if the token is not in the vocabulary */
function idOf(token: unknown, ids: ReadonlyMap<string, number>, role: string): number {
  // In older files, a token is an object with its text in `content`.
  const text = typeof token === "object" && token !== null ? (token as JsonPart).content : token;
  const id = typeof text === "string" ? ids.get(text) : undefined;
  if (id === undefined) throw invalidTokenizer(`tokenizer.json lacks the token for ${role}`);
  return id;
}
