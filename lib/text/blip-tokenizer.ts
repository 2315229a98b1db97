import { ClipBlipError } from "../common/errors.js";
import { loadTokenizer } from "./load-tokenizer.js";
import { lowerSigma, separateIdeographs } from "./python-parity.js";
import { normaliseText } from "./text-tokenizer.js";

/** What the tokenizer needs to know about the model. */
export interface BlipTokenizerOptions {
  /** The token that captions start with; in real checkpoints its id (30522) is outside the vocabulary. */
  startTokenId: number;
  /** Number of positions of the text decoder. Default 512. */
  maxTokens?: number;
}

/** Turns prompts into token ids and token ids into captions, as BlipProcessor and `generate` of transformers do. */
export interface BlipTokenizer {
  /**
   * The start token and the ids of the prompt; for an empty prompt the start token alone, as in transformers, whose ids
   * [CLS] [SEP] become the start token in `generate`.
   *
   * @throws ERR_INVALID_ARGUMENT if the prompt is not a string; ERR_TEXT_TOO_LONG if it exceeds the decoder's positions
   */
  encodePrompt(prompt: string): number[];
  /**
   * The ids of a text, between [CLS] and [SEP].
   *
   * @param options.truncate cut at the text encoder's positions and keep [SEP], as `truncation=True` does. Default true
   * @throws ERR_INVALID_ARGUMENT if the text is not a string; ERR_TEXT_TOO_LONG if it is too long and `truncate` is
   * false
   */
  encodeText(text: string, options?: { truncate?: boolean }): number[];
  /** The ids of words, without special tokens; empty for whitespace. */
  encodeWords(text: string): number[];
  /** The sentence without special tokens, as `decode(ids, skip_special_tokens=True)`; "" for no ids. */
  decode(ids: readonly number[]): string;
}

/**
 * Maximum UTF-16 code units for each token; longer prompts are rejected without tokenizing. WordPiece does not split
 * words of more than 100 characters.
 */
const CHARACTERS_PER_TOKEN = 128;

/**
 * Creates a tokenizer from the contents of tokenizer.json and tokenizer_config.json.
 *
 * @throws ERR_MODEL_INVALID
 */
export function createBlipTokenizer(
  tokenizerJson: string,
  tokenizerConfigJson: string,
  { startTokenId, maxTokens = 512 }: BlipTokenizerOptions,
): BlipTokenizer {
  const tokenizer = loadTokenizer(tokenizerJson, tokenizerConfigJson);
  const { clean_up_tokenization_spaces: cleanUp } = JSON.parse(tokenizerConfigJson) as Record<string, unknown>;
  // Default false, as in transformers 5; the JavaScript tokenizer's default is true.
  const decodeOptions = { skip_special_tokens: true, clean_up_tokenization_spaces: cleanUp === true };

  function encode(text: string, special: boolean): number[] {
    return tokenizer.encode(separateIdeographs(lowerSigma(text)), { add_special_tokens: special }).ids;
  }

  function encodeWords(value: string): number[] {
    return encode(normaliseText(value, "word"), false);
  }

  function encodeText(value: string, { truncate = true }: { truncate?: boolean } = {}): number[] {
    const text = normaliseText(value);
    const window = maxTokens * CHARACTERS_PER_TOKEN;
    if (!truncate && text.length > window) throw textTooLong(`${text.length} characters`, maxTokens);
    // To the tokenizer, a run of whitespace is a single space.
    const ids = encode(text.length > window ? text.replace(/\s+/g, " ").slice(0, window) : text, true);
    if (ids.length <= maxTokens) return ids;
    if (!truncate) throw textTooLong(`${ids.length} tokens`, maxTokens);
    return [...ids.slice(0, maxTokens - 1), ids.at(-1)!];
  }

  function encodePrompt(value: string): number[] {
    const text = normaliseText(value, "prompt");
    if (text.length > maxTokens * CHARACTERS_PER_TOKEN) throw tooLong(`${text.length} characters`, maxTokens);
    const ids = encode(text, false);
    if (ids.length >= maxTokens) throw tooLong(`${ids.length} tokens`, maxTokens);
    return [startTokenId, ...ids];
  }

  function decode(ids: readonly number[]): string {
    // For an id outside the vocabulary, the JavaScript tokenizer writes [UNK]; Python's omits it.
    const known = ids.filter((id) => id !== startTokenId && tokenizer.id_to_token(id) !== undefined);
    return known.length === 0 ? "" : tokenizer.decode(known, decodeOptions);
  }

  return { encodePrompt, encodeText, encodeWords, decode };
}

function tooLong(size: string, maxTokens: number): ClipBlipError {
  return new ClipBlipError(
    "ERR_TEXT_TOO_LONG",
    `The prompt has ${size}; the model takes at most ${maxTokens} tokens, start token and caption included. Shorten it.`,
  );
}

function textTooLong(size: string, maxTokens: number): ClipBlipError {
  return new ClipBlipError(
    "ERR_TEXT_TOO_LONG",
    `The text has ${size}; the model takes at most ${maxTokens} tokens, [CLS] and [SEP] included. Shorten it or allow truncation.`,
  );
}
