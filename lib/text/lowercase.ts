/**
 * Lower-cases the one letter whose small form depends on its place in the word: JavaScript makes a capital sigma at the
 * end of a word a final sigma, the tokenizers of Python lower-case letter by letter.
 */
export function lowerSigma(text: string): string {
  return text.includes("\u03a3") ? text.replaceAll("\u03a3", "\u03c3") : text;
}
