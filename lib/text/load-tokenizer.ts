import { Tokenizer } from "@huggingface/tokenizers";
import { ClipBlipError } from "../common/errors.js";
import { splitByteLevel } from "./python-parity.js";

/** A part of tokenizer.json, or the whole of it. */
export type JsonPart = Record<string, unknown>;

/**
 * Builds a tokenizer from the two files of a checkpoint.
 *
 * @throws ERR_MODEL_INVALID where they are no JSON or describe no tokenizer
 */
export function loadTokenizer(tokenizerJson: string, tokenizerConfigJson: string): Tokenizer {
  return makeTokenizer(
    parseTokenizerFile(tokenizerJson, "tokenizer.json"),
    parseTokenizerFile(tokenizerConfigJson, "tokenizer_config.json"),
  );
}

/** @throws ERR_MODEL_INVALID for a kind of tokenizer that is not supported */
export function makeTokenizer(tokenizer: JsonPart, config: JsonPart): Tokenizer {
  try {
    return new Tokenizer({ ...tokenizer, pre_tokenizer: splitByteLevel(tokenizer.pre_tokenizer) }, config);
  } catch (cause) {
    throw invalidTokenizer("tokenizer.json has a tokenizer of an unsupported kind", cause);
  }
}

/** @throws ERR_MODEL_INVALID where the tokenizer has no such token */
export function tokenId(tokenizer: Tokenizer, token: string): number {
  const id = tokenizer.token_to_id(token);
  if (id === undefined) throw invalidTokenizer(`tokenizer.json has no token ${token}`);
  return id;
}

/** @throws ERR_MODEL_INVALID for text that is no JSON object */
export function parseTokenizerFile(text: string, file: string): JsonPart {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalidTokenizer(`${file} is not valid JSON`, cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidTokenizer(`${file} is not an object`);
  }
  return value as JsonPart;
}

/** An error about the files of a tokenizer; `what` completes the sentence. */
export function invalidTokenizer(what: string, cause?: unknown): ClipBlipError {
  return new ClipBlipError("ERR_MODEL_INVALID", `The model's ${what}. Repair or replace the file.`, { cause });
}
