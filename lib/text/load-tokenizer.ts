import { Tokenizer } from "@huggingface/tokenizers";
import { ClipBlipError } from "../errors.js";
import { splitByteLevel } from "./python-parity.js";

/**
 * Builds a tokenizer from the two files of a checkpoint.
 *
 * @throws ERR_MODEL_INVALID where they are no JSON or describe no tokenizer
 */
export function loadTokenizer(tokenizerJson: string, tokenizerConfigJson: string): Tokenizer {
  const tokenizer = parse(tokenizerJson, "tokenizer.json");
  const config = parse(tokenizerConfigJson, "tokenizer_config.json");
  try {
    return new Tokenizer({ ...tokenizer, pre_tokenizer: splitByteLevel(tokenizer.pre_tokenizer) }, config);
  } catch (cause) {
    throw invalid("tokenizer.json describes no tokenizer that is supported", cause);
  }
}

/** @throws ERR_MODEL_INVALID where the tokenizer has no such token */
export function tokenId(tokenizer: Tokenizer, token: string): number {
  const id = tokenizer.token_to_id(token);
  if (id === undefined) throw invalid(`tokenizer.json has no token ${token}`);
  return id;
}

function parse(text: string, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(`${file} is not valid JSON`, cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(`${file} is not an object`);
  return value as Record<string, unknown>;
}

function invalid(what: string, cause?: unknown): ClipBlipError {
  return new ClipBlipError("ERR_MODEL_INVALID", `The model's ${what}. Repair or replace the file.`, { cause });
}
