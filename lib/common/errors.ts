import { shorten } from "./quote.js";

/** Stable codes of every failure that a caller can cause or meet. */
export type ErrorCode =
  | "ERR_INVALID_ARGUMENT"
  | "ERR_LIBTORCH_NOT_FOUND"
  | "ERR_LIBTORCH_VERSION"
  | "ERR_MODEL_NOT_FOUND"
  | "ERR_MODEL_INVALID"
  | "ERR_MODEL_HASH"
  | "ERR_PLATFORM"
  | "ERR_IMAGE_NOT_FOUND"
  | "ERR_IMAGE_DECODE"
  | "ERR_IMAGE_TOO_LARGE"
  | "ERR_TEXT_TOO_LONG"
  | "ERR_OUT_OF_MEMORY"
  | "ERR_DEVICE_LOST"
  | "ERR_DEVICE_NOT_FOUND"
  | "ERR_QUEUE_FULL"
  | "ERR_CLOSED"
  | "ERR_OFFLINE"
  | "ERR_MODULE_NOT_FOUND"
  | "ERR_QUEUE_UNAVAILABLE"
  | "ERR_BUNDLED"
  | "ERR_INTERNAL";

/** What an error has beside its code and its message. */
export interface ClipBlipErrorOptions {
  /** The error underneath, with the native text. */
  cause?: unknown | undefined;
  /** Position of the failed item in the list that was passed in, if one item failed. */
  index?: number | undefined;
}

/**
 * Every failure of this package: a stable `code`, and a message that says what to do.
 * @example
 * ```ts
 * try {
 *   await clip.encodeImages(paths);
 * } catch (error) {
 *   if (error instanceof ClipBlipError && error.code === "ERR_IMAGE_DECODE") console.error(paths[error.index!]);
 *   else throw error;
 * }
 * ```
 */
export class ClipBlipError extends Error {
  readonly code: ErrorCode;
  /** Position of the failed item in the list that was passed in. */
  readonly index?: number;

  constructor(code: ErrorCode, message: string, options: ClipBlipErrorOptions = {}) {
    super(shorten(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ClipBlipError";
    this.code = code;
    if (options.index !== undefined) this.index = options.index;
  }

  /** The same error, blamed on item `index` of the caller's list, whatever item of a part of it was blamed before. */
  at(index: number): ClipBlipError {
    const message = `${this.message.replace(/ \(item \d+\)$/, "")} (item ${index})`;
    const copy = new ClipBlipError(this.code, message, { cause: this.cause, index });
    copy.stack = this.stack;
    return copy;
  }
}

/** `error` as a ClipBlipError; anything unknown becomes ERR_INTERNAL with the original as its cause. */
export function asClipBlipError(error: unknown, code: ErrorCode = "ERR_INTERNAL"): ClipBlipError {
  if (error instanceof ClipBlipError) return error;
  return new ClipBlipError(code, messageOf(error), { cause: error });
}

/** The message of anything that was thrown. Node's errors are not of this code's class of Error in a vm context. */
export function messageOf(error: unknown): string {
  return isError(error) ? error.message : String(error);
}

/** Whether a value is an error, of whichever realm. */
export function isError(value: unknown): value is Error {
  return typeof value === "object" && value !== null && "message" in value && typeof value.message === "string";
}

/** Whether a value is what reading past the end of a Buffer or a DataView throws. */
export function isRangeError(value: unknown): boolean {
  return isError(value) && value.name === "RangeError";
}
