import { toUSVString } from "node:util";
import { ClipBlipError } from "../common/errors.js";
import { type Cut, Encoder } from "./encoder.js";
import { makeTokenizer, parseTokenizerFile } from "./load-tokenizer.js";
import { normaliseText } from "./text-tokenizer.js";
import { TokenLimit } from "./token-limit.js";

/** What the tokenizer needs to know about the model. */
export interface BlipTokenizerOptions {
  /** The token that captions start with; in real checkpoints its id (30522) is outside the vocabulary. */
  startTokenId: number;
  /** Number of positions of the text decoder. Default 512. */
  maxTokens?: number | undefined;
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
  const json = parseTokenizerFile(tokenizerJson, "tokenizer.json");
  const config = parseTokenizerFile(tokenizerConfigJson, "tokenizer_config.json");
  const encoder = new Encoder(json);
  const limit = new TokenLimit(maxTokens, config, encoder.ends);
  const decoder = makeTokenizer({ ...json, added_tokens: encoder.added.decoded }, {});
  // Default false, as in transformers 5; the JavaScript tokenizer's default is true.
  const decodeOptions = {
    skip_special_tokens: true,
    clean_up_tokenization_spaces: config.clean_up_tokenization_spaces === true,
  };
  const whole = (text: string) => ({ text, cut: false });

  /** To the tokenizer, a run of whitespace is a single space. */
  function shorten(text: string): Cut {
    const window = (limit.tokens + 1) * CHARACTERS_PER_TOKEN;
    if (text.length <= window) return whole(text);
    return { text: toUSVString(text.replace(/\s+/g, " ").slice(0, window)), cut: true };
  }

  function encodeWords(value: string): number[] {
    return encoder.encode(normaliseText(value, "word"), Number.POSITIVE_INFINITY, whole).ids;
  }

  function encodeText(value: string, { truncate = true }: { truncate?: boolean } = {}): number[] {
    const text = normaliseText(value);
    const window = limit.tokens * CHARACTERS_PER_TOKEN;
    if (!truncate && text.length > window) throw textTooLong(`${text.length} characters`, limit.tokens);
    const body = limit.encode(encoder, text, shorten);
    const { before, after } = encoder.ends;
    const length = body.ids.length + before.length + after.length;
    if (length > limit.tokens && !truncate) throw textTooLong(`${length} tokens`, limit.tokens);
    return limit.apply(body, { truncate: true });
  }

  function encodePrompt(value: string): number[] {
    const text = normaliseText(value, "prompt");
    if (text.length > maxTokens * CHARACTERS_PER_TOKEN) throw tooLong(`${text.length} characters`, maxTokens);
    const { ids } = encoder.encode(text, Number.POSITIVE_INFINITY, whole);
    if (ids.length >= maxTokens) throw tooLong(`${ids.length} tokens`, maxTokens);
    return [startTokenId, ...ids];
  }

  function decode(ids: readonly number[]): string {
    // For an id outside the vocabulary, the JavaScript tokenizer writes [UNK]; Python's omits it.
    const known = ids.filter((id) => id !== startTokenId && decoder.id_to_token(id) !== undefined);
    return known.length === 0 ? "" : decoder.decode(known, decodeOptions);
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
