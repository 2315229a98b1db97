import type { DeclaredToken, DeclaredTokens } from "./declared-tokens.js";

/** A token and the id that it has. An entry of `added_tokens` in tokenizer.json. */
export interface NumberedToken extends DeclaredToken {
  id: number;
}

/** Ids by token. */
export type Vocabulary = ReadonlyMap<string, number>;

/**
 * The added tokens of a tokenizer of the tokenizers library, in the order in which transformers adds them: by the ids
 * in the files, then those with a role, then the others. As in the library, the ids of the files only give the order:
 * a token of the vocabulary keeps its id, another one gets the next free one.
 * @param vocabulary of the model, without added tokens
 * @param first tokens that the tokenizer has before
 */
export function numberTokens(
  vocabulary: Vocabulary,
  declared: DeclaredTokens,
  first: readonly DeclaredToken[] = [],
): NumberedToken[] {
  const found = new Map<string, NumberedToken>();
  let highest = vocabulary.size - 1;
  for (const token of [...first, ...inOrder(declared)]) {
    if (token.content === "" || found.has(token.content)) continue;
    const id = vocabulary.get(token.content) ?? highest + 1;
    highest = Math.max(highest, id);
    found.set(token.content, { id, ...token });
  }
  return [...found.values()];
}

function inOrder({ numbered, named, extra }: DeclaredTokens): DeclaredToken[] {
  const byId = [...numbered].sort(([one], [other]) => one - other).map(([, token]) => token);
  return [...byId, ...named.values(), ...extra];
}

/**
 * The added tokens of a tokenizer that transformers runs in Python (SiglipTokenizer): ids of the files hold, further
 * ones follow the whole vocabulary, and only tokens with a role or in the list of further ones count as special.
 */
export function numberTokensAsGiven(
  vocabulary: Vocabulary,
  { numbered, named, extra }: DeclaredTokens,
): NumberedToken[] {
  const specials = new Set([...named.values(), ...extra].map(({ content }) => content));
  const found = new Map<string, NumberedToken>();
  for (const [id, token] of numbered) found.set(token.content, { id, ...token, special: specials.has(token.content) });
  let next = new Set([...vocabulary.keys(), ...found.keys()]).size;
  for (const content of specials) {
    if (content === "" || found.has(content)) continue;
    // transformers keeps only the text of such a token, not its flags.
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
    found.set(content, { id: vocabulary.get(content) ?? next++, content, ...flags });
  }
  return [...found.values()];
}
