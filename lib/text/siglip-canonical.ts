import { collapseSpace, strip } from "./python-parity.js";

/** ASCII's punctuation: `string.punctuation` in Python. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g;

/**
 * A text as SigLIP was trained on texts, `canonicalize_text` of transformers' SiglipTokenizer: small letters, no
 * punctuation, and single blanks.
 */
export function canonicalText(text: string, { lowerCase }: { lowerCase: boolean }): string {
  const letters = lowerCase ? text.toLowerCase() : text;
  return strip(collapseSpace(letters.replace(PUNCTUATION, "")));
}
