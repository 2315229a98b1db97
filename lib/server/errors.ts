import { ClipBlipError, type ErrorCode } from "../common/errors.js";
import { FetchError } from "../input/public-remote.js";

/** Codes of the service's errors: the library's, and its own. */
export type ServiceErrorCode =
  | ErrorCode
  | "ERR_UNAUTHORIZED"
  | "ERR_NOT_FOUND"
  | "ERR_BODY_TOO_LARGE"
  | "ERR_MEDIA_TYPE"
  | "ERR_CLIENT_GONE"
  | "ERR_RATE_LIMITED"
  | "ERR_NOT_READY"
  | "ERR_DRAINING"
  | "ERR_NO_JOBS";

/** An error as the client sees it: status, code and message. */
export class ServiceError extends Error {
  readonly statusCode: number;
  readonly code: ServiceErrorCode;
  /** Index in the request of the item that caused the error. */
  readonly index?: number;
  /** Seconds after which the client may try again. */
  readonly retryAfter?: number;

  constructor(
    statusCode: number,
    code: ServiceErrorCode,
    message: string,
    { index, retryAfter, cause }: { index?: number; retryAfter?: number; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "ServiceError";
    this.statusCode = statusCode;
    this.code = code;
    if (index !== undefined) this.index = index;
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
  }
}

/** The error while the service is shutting down. */
export function drainingError(): ServiceError {
  return new ServiceError(503, "ERR_DRAINING", "The service is shutting down: try again later.", {
    retryAfter: RETRY_LATER,
  });
}

/** The body of every response that is not a success. */
export interface ErrorBody {
  error: { code: ServiceErrorCode; message: string; index?: number };
}

/** The body of an error. */
export function errorBody({ code, message, index }: ServiceError): ErrorBody {
  return { error: { code, message, ...(index === undefined ? {} : { index }) } };
}

/** Seconds after which a client may try again when a queue or the memory was full. */
export const RETRY_SOON = 1;

/** Seconds after which a client may try again when a model was not available. */
export const RETRY_LATER = 5;

/**
 * The library's errors over HTTP. A sentence replaces the library's message if that may contain a path, an address or
 * the text of a native library.
 */
const LIBRARY: Record<ErrorCode, { status: number; sentence?: string; retryAfter?: number }> = {
  ERR_INVALID_ARGUMENT: { status: 422 },
  ERR_IMAGE_NOT_FOUND: { status: 422 },
  ERR_IMAGE_DECODE: { status: 422 },
  ERR_IMAGE_TOO_LARGE: { status: 413 },
  ERR_TEXT_TOO_LONG: { status: 422 },
  ERR_QUEUE_FULL: { status: 429, sentence: "Too many items are waiting: try again later.", retryAfter: RETRY_SOON },
  ERR_OUT_OF_MEMORY: {
    status: 503,
    sentence: "The device is out of memory: try again later, or send less.",
    retryAfter: RETRY_SOON,
  },
  ERR_DEVICE_LOST: {
    status: 503,
    sentence: "The device was lost: the service must be restarted.",
    retryAfter: RETRY_LATER,
  },
  ERR_DEVICE_NOT_FOUND: {
    status: 503,
    sentence: "The configured device was not found: see the log of the service.",
    retryAfter: RETRY_LATER,
  },
  ERR_CLOSED: { status: 503, sentence: "The service is shutting down.", retryAfter: RETRY_LATER },
  ERR_OFFLINE: {
    status: 503,
    sentence: "The model is not on the service's machine, and downloads are off: see its log.",
    retryAfter: RETRY_LATER,
  },
  ERR_MODEL_NOT_FOUND: {
    status: 503,
    sentence: "The model was not found: see the log of the service.",
    retryAfter: RETRY_LATER,
  },
  ERR_MODEL_INVALID: {
    status: 503,
    sentence: "The model cannot be read: see the log of the service.",
    retryAfter: RETRY_LATER,
  },
  ERR_MODEL_HASH: {
    status: 503,
    sentence: "The model is not the expected file: see the log of the service.",
    retryAfter: RETRY_LATER,
  },
  ERR_LIBTORCH_NOT_FOUND: {
    status: 503,
    sentence: 'LibTorch was not found: run "npx clip-blip doctor" where the service runs.',
    retryAfter: RETRY_LATER,
  },
  ERR_LIBTORCH_VERSION: {
    status: 503,
    sentence: 'LibTorch has the wrong version: run "npx clip-blip doctor" where the service runs.',
    retryAfter: RETRY_LATER,
  },
  ERR_PLATFORM: {
    status: 503,
    sentence: 'There is no addon for the service\'s platform: run "npx clip-blip doctor" where the service runs.',
    retryAfter: RETRY_LATER,
  },
  ERR_MODULE_NOT_FOUND: { status: 500, sentence: "The service lacks a package: see its log." },
  ERR_QUEUE_UNAVAILABLE: {
    status: 503,
    sentence: "The job queue cannot be reached: try again later.",
    retryAfter: RETRY_LATER,
  },
  ERR_BUNDLED: { status: 500, sentence: "The service was bundled wrongly: see the log of the service." },
  ERR_INTERNAL: { status: 500, sentence: "The service failed: see its log for this request's id." },
};

/** Whether an error is the fault of the service and not of the request. */
export function isServerFault(code: ErrorCode): boolean {
  return LIBRARY[code].status >= 500;
}

const UNREADABLE = "A picture cannot be read: it is damaged, incomplete, or of an unknown format";
const TOO_LARGE = "A picture is too large: send a smaller one";

/** An error of the library as the client sees it. */
export function fromLibrary(error: ClipBlipError): ServiceError {
  const { status, sentence, retryAfter } = LIBRARY[error.code];
  const message = sentence ?? sentenceOn(error);
  return new ServiceError(status, error.code, message, { index: error.index, retryAfter, cause: error });
}

/** The message about an item of the request. */
function sentenceOn(error: ClipBlipError): string {
  const { code, index, cause, message } = error;
  const item = index === undefined ? "" : ` (item ${index})`;
  // The library's message names an option that the client does not have.
  if (code === "ERR_IMAGE_TOO_LARGE") return `${TOO_LARGE}${item}.`;
  // With a cause, the library's message quotes a decoder.
  if (code === "ERR_IMAGE_DECODE" && cause !== undefined && !(error instanceof FetchError)) {
    return `${UNREADABLE}${item}.`;
  }
  return message.replace(/^buffer /, "The file ");
}

/** Errors of Fastify and its plugins, by code. */
const FRAMEWORK: Record<string, [status: number, code: ServiceErrorCode, sentence: string]> = {
  FST_ERR_CTP_BODY_TOO_LARGE: [413, "ERR_BODY_TOO_LARGE", "The body is too large."],
  FST_REQ_FILE_TOO_LARGE: [413, "ERR_BODY_TOO_LARGE", "A file is too large."],
  FST_FILES_LIMIT: [422, "ERR_INVALID_ARGUMENT", "There are too many files in the request."],
  FST_FIELDS_LIMIT: [422, "ERR_INVALID_ARGUMENT", "There are too many fields in the request."],
  FST_PARTS_LIMIT: [422, "ERR_INVALID_ARGUMENT", "There are too many parts in the request."],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    415,
    "ERR_MEDIA_TYPE",
    "The body must be application/json or, with pictures, multipart/form-data.",
  ],
  FST_ERR_CTP_EMPTY_JSON_BODY: [400, "ERR_INVALID_ARGUMENT", "The content type is JSON, but the body is empty."],
  FST_ERR_CTP_INVALID_JSON_BODY: [400, "ERR_INVALID_ARGUMENT", "The body is not valid JSON."],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    400,
    "ERR_INVALID_ARGUMENT",
    "The length of the body differs from the header content-length.",
  ],
};

interface AnyFailure {
  code?: string;
  statusCode?: number;
  validation?: unknown;
  message?: string;
}

/** Any error of a request, as the client sees it. */
export function asServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  if (error instanceof ClipBlipError) return fromLibrary(error);
  const { code, statusCode, validation, message } = (error ?? {}) as AnyFailure;
  if (validation) return new ServiceError(422, "ERR_INVALID_ARGUMENT", message ?? "", { cause: error });
  const known = code === undefined ? undefined : FRAMEWORK[code];
  if (known) return new ServiceError(...known, { cause: error });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new ServiceError(statusCode, "ERR_INVALID_ARGUMENT", "The request is not valid.", { cause: error });
  }
  return new ServiceError(500, "ERR_INTERNAL", LIBRARY.ERR_INTERNAL.sentence!, { cause: error });
}
