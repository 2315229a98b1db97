/**
 * Works around differences between @huggingface/tokenizers and the Rust library that Python uses, from outside: by
 * changing the text before tokenization, or the description of the tokenizer before it is built. Every Unicode
 * character was compared. The remaining differences are characters newer than one side's Unicode tables.
 */

/** A part of tokenizer.json. */
type Part = Record<string, unknown>;

/** The pattern that a byte-level pre-tokenizer with `use_regex` splits by. */
const BYTE_LEVEL = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** Ideographs outside the basic plane, as the Rust library lists them (including its 2B920 in place of 2B820). */
const RARE_IDEOGRAPH = /[\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;

/**
 * Lowercases capital sigma, the one letter whose lowercase depends on its position: at the end of a word JavaScript
 * gives a final sigma; Rust lowercases letter by letter.
 */
export function lowerSigma(text: string): string {
  return text.includes("\u03a3") ? text.replaceAll("\u03a3", "\u03c3") : text;
}

/** Separates ideographs into words of their own; the JavaScript tokenizer does so in the basic plane only. */
export function separateIdeographs(text: string): string {
  return text.replace(RARE_IDEOGRAPH, " $& ");
}

/**
 * Splits a byte-level pre-tokenizer into a regular expression and the byte mapping. The JavaScript library's built-in
 * expression treats U+FEFF, the byte order mark, as whitespace; expressions from tokenizer.json are translated
 * correctly.
 */
export function splitByteLevel(preTokenizer: unknown): unknown {
  if (typeof preTokenizer !== "object" || preTokenizer === null) return preTokenizer;
  const part = preTokenizer as Part;
  if (part.type === "Sequence" && Array.isArray(part.pretokenizers)) {
    return { ...part, pretokenizers: part.pretokenizers.map(splitByteLevel) };
  }
  if (part.type !== "ByteLevel" || part.use_regex === false || part.add_prefix_space === true) return part;
  const split = { type: "Split", pattern: { Regex: BYTE_LEVEL }, behavior: "Removed", invert: true };
  return { type: "Sequence", pretokenizers: [split, { ...part, use_regex: false }] };
}

/** What Python treats as whitespace (`str.isspace`); JavaScript omits the first five and adds U+FEFF. */
const SPACE = "[\\x1c-\\x1f\\x85\\t-\\r \\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const SPACES = new RegExp(`${SPACE}+`, "g");
const LEADING_SPACES = new RegExp(`^${SPACE}+`);
const TRAILING_SPACES = new RegExp(`(?<!${SPACE})${SPACE}+$`);

/** `re.sub(r"\s+", " ", text)` */
export function collapseSpace(text: string): string {
  return text.replace(SPACES, " ");
}

/** `text.lstrip()` */
export function stripStart(text: string): string {
  return text.replace(LEADING_SPACES, "");
}

/** `text.rstrip()` */
export function stripEnd(text: string): string {
  return text.replace(TRAILING_SPACES, "");
}

/** `text.strip()` */
export function strip(text: string): string {
  return stripEnd(stripStart(text));
}
