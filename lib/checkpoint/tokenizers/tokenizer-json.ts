import type { NumberedToken } from "./added-tokens.js";
import type { ClassParts } from "./class-parts.js";

/** The contents of a tokenizer.json. */
export function tokenizerJson(parts: ClassParts, addedTokens: readonly NumberedToken[]): string {
  return JSON.stringify({ version: "1.0", truncation: null, padding: null, added_tokens: addedTokens, ...parts });
}
