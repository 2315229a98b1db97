import { ClipBlipError, type ErrorCode } from "../common/errors.js";
import { FetchError } from "../input/public-remote.js";

/**
 * What a failure means. "picture": it would fail again, and becomes the picture's outcome; "later": another try may
 * succeed; "worker": this process cannot continue.
 */
export type Verdict = "picture" | "later" | "worker";

const VERDICTS: Partial<Record<ErrorCode, Verdict>> = {
  ERR_INVALID_ARGUMENT: "picture",
  ERR_IMAGE_NOT_FOUND: "picture",
  ERR_IMAGE_DECODE: "picture",
  ERR_IMAGE_TOO_LARGE: "picture",
  ERR_TEXT_TOO_LONG: "picture",
  ERR_DEVICE_LOST: "worker",
  ERR_CLOSED: "worker",
};

/** Temporary errors of a file system, such as of a slow network, or when descriptors run out. */
const PASSING = new Set(["EIO", "EAGAIN", "EBUSY", "EINTR", "EMFILE", "ENFILE", "ENOMEM", "ESTALE", "ETIMEDOUT"]);

export function verdictOf(error: ClipBlipError): Verdict {
  if (error instanceof FetchError && error.transient) return "later";
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
  if (error.code === "ERR_IMAGE_DECODE" && code !== undefined && PASSING.has(code)) return "later";
  return VERDICTS[error.code] ?? "later";
}

/** Whether an error ends the worker. */
export function endsWorker(error: unknown): error is ClipBlipError {
  return error instanceof ClipBlipError && verdictOf(error) === "worker";
}
