import { ClipBlipError } from "../errors.js";
import { loadTokenizer } from "./load-tokenizer.js";
import { lowerSigma, separateIdeographs } from "./python-parity.js";
import { normaliseText } from "./text.js";

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
  /** The ids of words, without special tokens; none for white space. */
  encodeWords(text: string): number[];
  /** The sentence without special tokens, as `decode(ids, skip_special_tokens=True)`; "" for no ids. */
  decode(ids: readonly number[]): string;
}

/** Longer prompts are refused unread, in UTF-16 code units. WordPiece takes no word of more than 100 characters. */
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

  function encodeWords(text: string): number[] {
    return tokenizer.encode(separateIdeographs(lowerSigma(text)), { add_special_tokens: false }).ids;
  }

  function encodePrompt(value: string): number[] {
    const text = normaliseText(value, "prompt");
    if (text.length > maxTokens * CHARACTERS_PER_TOKEN) throw tooLong(`${text.length} characters`, maxTokens);
    const ids = encodeWords(text);
    if (ids.length >= maxTokens) throw tooLong(`${ids.length} tokens`, maxTokens);
    return [startTokenId, ...ids];
  }

  function decode(ids: readonly number[]): string {
    // The tokenizer would show an id outside its vocabulary as [UNK], Python's leaves it out.
    const known = ids.filter((id) => id !== startTokenId && tokenizer.id_to_token(id) !== undefined);
    return known.length === 0 ? "" : tokenizer.decode(known, decodeOptions);
  }

  return { encodePrompt, encodeWords, decode };
}

function tooLong(size: string, maxTokens: number): ClipBlipError {
  return new ClipBlipError(
    "ERR_TEXT_TOO_LONG",
    `The prompt has ${size}; the model takes ${maxTokens} tokens, the start token and the caption included. Shorten it.`,
  );
}
