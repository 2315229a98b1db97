import { ClipBlipError } from "../common/errors.js";

export { quote } from "../common/quote.js";

/** A checkpoint or archive that cannot be used: ERR_MODEL_INVALID with a sentence that says what is wrong. */
export function invalidModel(message: string, cause?: unknown): ClipBlipError {
  return new ClipBlipError("ERR_MODEL_INVALID", message, { cause });
}
