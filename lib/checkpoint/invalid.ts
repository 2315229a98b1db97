import { ClipBlipError } from "../errors.js";

/** A checkpoint or archive that cannot be used: ERR_MODEL_INVALID with a sentence that says what is wrong. */
export function invalidModel(message: string, cause?: unknown): ClipBlipError {
  return new ClipBlipError("ERR_MODEL_INVALID", message, { cause });
}

/** What JSON leaves as it is, and a terminal or a log may not: further control characters, directions, ends of lines. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A word from a file as it may stand in a message: quoted, control characters escaped, cut where it is long. */
export function quote(text: string): string {
  const quoted = JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
  // Of a pair of surrogates both, each as JSON writes it.
  return quoted.replaceAll(UNPRINTABLE, (match) =>
    Array.from({ length: match.length }, (_, at) => `\\u${match.charCodeAt(at).toString(16).padStart(4, "0")}`).join(
      "",
    ),
  );
}
