import { stripEnd, stripStart } from "./python-parity.js";

/** A token that is matched in the raw text, before any normalization. */
export interface AddedToken {
  id: number;
  content: string;
  /** Whether it consumes the whitespace before it. */
  lstrip: boolean;
  /** Whether it consumes the whitespace after it. */
  rstrip: boolean;
}

/** Splits a text into added tokens, preferring longer ones, and the text between them; omits empty parts. */
export function splitAtTokens(text: string, tokens: readonly AddedToken[]): (string | AddedToken)[] {
  if (tokens.length === 0) return text === "" ? [] : [text];
  const byContent = new Map(tokens.map((token) => [token.content, token]));
  const contents = [...byContent.keys()].sort((one, other) => other.length - one.length);
  const pattern = new RegExp(`(${contents.map((content) => content.replace(/[^\w\s]/g, "\\$&")).join("|")})`);
  const parts: (string | AddedToken)[] = text.split(pattern).map((part) => byContent.get(part) ?? part);
  return parts
    .map((part, index) => (typeof part === "string" ? stripped(part, parts[index - 1], parts[index + 1]) : part))
    .filter((part) => part !== "");
}

function stripped(
  text: string,
  before: string | AddedToken | undefined,
  after: string | AddedToken | undefined,
): string {
  const rest = typeof before === "object" && before.rstrip ? stripStart(text) : text;
  return typeof after === "object" && after.lstrip ? stripEnd(rest) : rest;
}
