import { ClipBlipError } from "../common/errors.js";

export { quote } from "../common/quote.js";

/** An ERR_MODEL_INVALID error for a checkpoint or archive that cannot be used. */
export function invalidModel(message: string, cause?: unknown): ClipBlipError {
  return new ClipBlipError("ERR_MODEL_INVALID", message, { cause });
}
