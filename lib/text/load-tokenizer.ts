import { Tokenizer } from "@huggingface/tokenizers";
import { ClipBlipError } from "../common/errors.js";
import { splitByteLevel } from "./python-parity.js";

/** tokenizer.json, or a part of it. */
export type JsonPart = Record<string, unknown>;

/** @throws ERR_MODEL_INVALID if the tokenizer is of an unsupported kind */
export function makeTokenizer(tokenizer: JsonPart, config: JsonPart): Tokenizer {
  try {
    return new Tokenizer({ ...tokenizer, pre_tokenizer: splitByteLevel(tokenizer.pre_tokenizer) }, config);
  } catch (cause) {
    throw invalidTokenizer("tokenizer.json describes a tokenizer that is not supported", cause);
  }
}

/** @throws ERR_MODEL_INVALID if the text is not a JSON object */
export function parseTokenizerFile(text: string, file: string): JsonPart {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalidTokenizer(`${file} is not valid JSON`, cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidTokenizer(`${file} is not a JSON object`);
  }
  return value as JsonPart;
}

/** An error about a tokenizer's files. `what` completes the sentence "The model's …". */
export function invalidTokenizer(what: string, cause?: unknown): ClipBlipError {
  return new ClipBlipError("ERR_MODEL_INVALID", `The model's ${what}. Repair or replace the file.`, { cause });
}
