import { invalidModel } from "../invalid.js";
import type { JsonObject } from "../json.js";
import type { NumberedToken, Vocabulary } from "./added-tokens.js";

/** The parts of tokenizer.json that a class of transformers decides, whatever the file says. */
export interface ClassParts {
  normalizer: object | null;
  pre_tokenizer: object | null;
  post_processor: unknown;
  decoder: object;
  model: object;
}

/** What a class makes its parts of. */
export interface ClassInput {
  vocabulary: Vocabulary;
  /** Pairs of symbols to join, in their order; empty for tokenizers without. */
  merges: readonly (readonly string[])[];
  /** tokenizer_config.json. */
  config: JsonObject;
  /** Special tokens by role, such as `eos_token`. */
  roles: ReadonlyMap<string, NumberedToken>;
  /** tokenizer.json, if there is one. */
  tokenizer: JsonObject | undefined;
}

/** @throws ClipBlipError ERR_MODEL_INVALID if the tokenizer has no token of this role */
export function roleToken({ roles, config }: ClassInput, role: string): NumberedToken {
  const token = roles.get(role);
  if (token === undefined) throw invalidModel(`${config.where} gives no ${role}, which this tokenizer needs`);
  return token;
}
