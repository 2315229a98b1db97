import { ClipBlipError } from "../errors.js";

/** A checkpoint or archive that cannot be used: ERR_MODEL_INVALID with a sentence that says what is wrong. */
export function invalidModel(message: string, cause?: unknown): ClipBlipError {
  return new ClipBlipError("ERR_MODEL_INVALID", message, { cause });
}

/** A word from a file as it may stand in a message: quoted, control characters escaped, cut where it is long. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
