import { ClipBlipError } from "../common/errors.js";
import { loadTokenizer } from "./load-tokenizer.js";
import { lowerSigma, separateIdeographs } from "./python-parity.js";
import { normaliseText } from "./text-tokenizer.js";

/** What the tokenizer has to know of the model. */
export interface BlipTokenizerOptions {
  /** The token that captions start with; real checkpoints have it (30522) outside their vocabulary. */
  startTokenId: number;
  /** Positions of the text decoder; 512 by default. */
  maxTokens?: number;
}

/** Prompts to token ids and token ids to captions, as BlipProcessor and `generate` of transformers do. */
export interface BlipTokenizer {
  /**
   * The start token and the ids of the prompt. An empty prompt is no prompt: transformers then gives `generate` the ids
   * [CLS] [SEP], which become the start token alone.
   *
   * @throws ERR_INVALID_ARGUMENT for anything but a string; ERR_TEXT_TOO_LONG past the positions of the decoder
   */
  encodePrompt(prompt: string): number[];
  /**
   * The ids of a text with [CLS] and [SEP] around them.
   *
   * @param options.truncate cut at the positions of the text encoder and keep [SEP], as `truncation=True`; true by default
   * @throws ERR_INVALID_ARGUMENT for anything but a string; ERR_TEXT_TOO_LONG where it is not to be cut
   */
  encodeText(text: string, options?: { truncate?: boolean }): number[];
  /** The ids of words, without special tokens; none for white space. */
  encodeWords(text: string): number[];
  /** The sentence without special tokens, as `decode(ids, skip_special_tokens=True)`; "" for no ids. */
  decode(ids: readonly number[]): string;
}

/** Longer prompts are refused unread (UTF-16 code units). WordPiece takes no word of more than 100 characters. */
const CHARACTERS_PER_TOKEN = 128;

/**
 * A tokenizer from the text of tokenizer.json and tokenizer_config.json.
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
  // False where the file says nothing, as in transformers 5; the JavaScript tokenizer would take true.
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
    // The tokenizer reads any run of white space as one space.
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
    // The tokenizer would show an id outside its vocabulary as [UNK], Python's leaves it out.
    const known = ids.filter((id) => id !== startTokenId && tokenizer.id_to_token(id) !== undefined);
    return known.length === 0 ? "" : tokenizer.decode(known, decodeOptions);
  }

  return { encodePrompt, encodeText, encodeWords, decode };
}

function tooLong(size: string, maxTokens: number): ClipBlipError {
  return new ClipBlipError(
    "ERR_TEXT_TOO_LONG",
    `The prompt has ${size}; the model takes ${maxTokens} tokens for start token, prompt and caption. Shorten it.`,
  );
}

function textTooLong(size: string, maxTokens: number): ClipBlipError {
  return new ClipBlipError(
    "ERR_TEXT_TOO_LONG",
    `The text has ${size}; the model takes ${maxTokens} tokens, [CLS] and [SEP] included. Shorten it, or allow truncation.`,
  );
}
