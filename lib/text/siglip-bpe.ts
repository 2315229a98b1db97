import { type AddedToken, splitAtTokens } from "./added-tokens.js";
import { type JsonPart, makeTokenizer } from "./load-tokenizer.js";
import { lowerSigma } from "./python-parity.js";

/** Options of the byte-pair encoder of SigLIP 2. */
export interface BpeOptions {
  addedTokens: readonly AddedToken[];
  lowerCase: boolean;
}

/**
 * Encodes text with a byte-pair vocabulary such as Gemma's, as tokenizer.json describes it, without special tokens at
 * the ends.
 *
 * Added tokens are matched here, because the JavaScript library would also find them in normalized text, for example in
 * a lowercased "<EOS>".
 *
 * @param tokenizer tokenizer.json
 * @throws ERR_MODEL_INVALID
 */
export function bpeEncoder(tokenizer: JsonPart, { addedTokens, lowerCase }: BpeOptions): (text: string) => number[] {
  const { normalizer, added_tokens: added } = tokenizer;
  const found = new Set(addedTokens.map(({ id }) => id));
  const inner = makeTokenizer(
    {
      ...tokenizer,
      normalizer: lowerCase ? lowerFirst(normalizer) : normalizer,
      added_tokens: Array.isArray(added) ? added.filter(({ id }) => !found.has(id)) : [],
    },
    {},
  );
  const lowers = lowerCase || JSON.stringify(normalizer ?? null).includes('"Lowercase"');
  return (text) =>
    splitAtTokens(text, addedTokens).flatMap((part) => {
      if (typeof part !== "string") return [part.id];
      return inner.encode(lowers ? lowerSigma(part) : part, { add_special_tokens: false }).ids;
    });
}

function lowerFirst(normalizer: unknown): JsonPart {
  return { type: "Sequence", normalizers: [{ type: "Lowercase" }, ...(normalizer ? [normalizer] : [])] };
}
