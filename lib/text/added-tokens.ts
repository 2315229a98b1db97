import { stripEnd, stripStart } from "./python-parity.js";

/** An entry of `added_tokens` in tokenizer.json: a token that is found before the text is split into words. */
export interface AddedToken {
  id: number;
  content: string;
  /** Whether it counts only where no letter or digit adjoins. */
  single_word: boolean;
  /** Whether it consumes the whitespace before it. */
  lstrip: boolean;
  /** Whether it consumes the whitespace after it. */
  rstrip: boolean;
  /** Whether it is looked for in the normalized text, and not in the text as it was given. */
  normalized: boolean;
  special: boolean;
}

/** A part of a text: an added token, or the text between two of them. */
export type Part = string | AddedToken;

/** What the regular expressions of Rust take for a letter of a word, and for whitespace. */
const WORD = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]";
const ENDS_WITH_WORD = new RegExp(`${WORD}$`, "u");
const STARTS_WITH_WORD = new RegExp(`^${WORD}`, "u");
const SPACE = /\p{White_Space}/u;
const NO_SPACE = /\P{White_Space}|$/gu;

/** The added tokens of a tokenizer as the tokenizers library finds them (`AddedVocabulary` in Rust). */
export class AddedVocabulary {
  /**
   * The tokens as texts are decoded to them: one that is looked for in the normalized text is written as it is found
   * there, and then counts as special only if that is the name of a special token.
   */
  readonly decoded: AddedToken[];
  readonly #normalize: (text: string) => string;
  readonly #exact: Finder;
  readonly #normalized: Finder;

  /** @param normalize the tokenizer's normalizer */
  constructor(tokens: readonly AddedToken[], normalize: (text: string) => string) {
    this.#normalize = normalize;
    this.#exact = new Finder(tokens.filter(({ normalized }) => !normalized).map((token) => [token.content, token]));
    const specials = new Set(tokens.filter(({ special }) => special).map(({ content }) => content));
    this.decoded = tokens.map((token) => {
      const content = token.normalized ? normalize(token.content) : token.content;
      return { ...token, content, special: specials.has(content) };
    });
    const normalized = tokens.filter((token) => token.normalized);
    this.#normalized = new Finder(normalized.map((token) => [normalize(token.content), token]));
  }

  /** Splits a text at the tokens that are found in it as it is. */
  split(text: string): Part[] {
    return this.#exact.split(text);
  }

  /** Normalizes a text between such tokens, and splits it at those that are found in the normalized text. */
  splitNormalized(text: string): Part[] {
    return this.#normalized.split(this.#normalize(text));
  }
}

/** Finds tokens in a text, the leftmost first, of several at one place the longest. */
class Finder {
  readonly #tokens: Map<string, AddedToken>;
  readonly #pattern: RegExp | undefined;

  constructor(tokens: readonly (readonly [content: string, token: AddedToken])[]) {
    // Of several that are equal once normalized, the first one counts.
    this.#tokens = new Map([...tokens].reverse().filter(([content]) => content !== ""));
    this.#pattern = patternOf([...this.#tokens.keys()]);
  }

  split(text: string): Part[] {
    if (this.#pattern === undefined) return text === "" ? [] : [text];
    const parts: Part[] = [];
    let done = 0;
    for (const match of text.matchAll(this.#pattern)) {
      const token = this.#tokens.get(match[0])!;
      const end = match.index + match[0].length;
      if (token.single_word && touchesWord(text, match.index, end)) continue;
      const start = token.lstrip ? spaceBefore(text, match.index, done) : match.index;
      if (done < start) parts.push(text.slice(done, start));
      parts.push(token);
      done = token.rstrip ? spaceAfter(text, end) : end;
    }
    if (done < text.length) parts.push(text.slice(done));
    return parts;
  }
}

function touchesWord(text: string, start: number, end: number): boolean {
  // Two units hold any character.
  return (
    ENDS_WITH_WORD.test(text.slice(Math.max(0, start - 2), start)) || STARTS_WITH_WORD.test(text.slice(end, end + 2))
  );
}

/** Where the whitespace before an index begins, not before `from`. */
function spaceBefore(text: string, index: number, from: number): number {
  let start = index;
  while (start > from && SPACE.test(text[start - 1]!)) start--;
  return start;
}

function spaceAfter(text: string, index: number): number {
  NO_SPACE.lastIndex = index;
  return NO_SPACE.exec(text)!.index;
}

function patternOf(contents: readonly string[]): RegExp | undefined {
  if (contents.length === 0) return undefined;
  const longestFirst = [...contents].sort((one, other) => other.length - one.length);
  return new RegExp(longestFirst.map((content) => content.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|"), "gu");
}

/**
 * Splits a text at added tokens as tokenizers in Python do (`PythonBackend.tokenize` in transformers): all of them are
 * found in the text as it is, and a token that has to be a word of its own looks for spaces only.
 */
export function splitInPython(text: string, tokens: readonly AddedToken[]): Part[] {
  const byContent = new Map(tokens.map((token) => [token.content, token]));
  const pattern = patternOf([...byContent.keys()].filter((content) => content !== ""));
  if (pattern === undefined) return text === "" ? [] : [text];
  const pieces = text.split(new RegExp(`(${pattern.source})`, "u")).filter((piece) => piece !== "");
  const parts: Part[] = pieces.map((piece) => byContent.get(piece) ?? piece);
  for (const [index, token] of parts.entries()) {
    if (typeof token !== "object") continue;
    const [left, right] = [textAt(parts, index - 1), textAt(parts, index + 1)];
    if (token.rstrip && typeof parts[index + 1] === "string") parts[index + 1] = stripStart(right);
    if (token.lstrip && typeof parts[index - 1] === "string") parts[index - 1] = stripEnd(left);
    if (!token.single_word) continue;
    // As in Python, what counts is the neighbour before it was stripped.
    if (left && !left.endsWith(" ")) {
      parts[index - 1] = textAt(parts, index - 1) + token.content;
      parts[index] = "";
    } else if (right && !right.startsWith(" ")) {
      parts[index + 1] = token.content + textAt(parts, index + 1);
      parts[index] = "";
    }
  }
  // What was put together can be the text of a token, and then is one.
  return parts
    .filter((part) => part !== "")
    .map((part) => (typeof part === "string" ? (byContent.get(part) ?? part) : part));
}

/** The text of a part; "" if there is none. */
function textAt(parts: readonly Part[], index: number): string {
  const part = parts[index];
  return typeof part === "object" ? part.content : (part ?? "");
}
