import { ClipBlipError, type ErrorCode } from "../common/errors.js";
import { FetchError } from "../input/public-remote.js";

/** Codes of failures that only the service has. */
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

/** A failure as its client sees it: status, code, sentence. */
export class ServiceError extends Error {
  readonly statusCode: number;
  readonly code: ServiceErrorCode;
  /** Position of the item to blame in the request's list. */
  readonly index?: number;
  /** Seconds after which another try may succeed. */
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

/** What the service answers while it shuts down. */
export function drainingError(): ServiceError {
  return new ServiceError(503, "ERR_DRAINING", "The service is shutting down: try another one.", {
    retryAfter: RETRY_LATER,
  });
}

/** The body of every answer that is no success. */
export interface ErrorBody {
  error: { code: ServiceErrorCode; message: string; index?: number };
}

/** A failure as its body. */
export function errorBody({ code, message, index }: ServiceError): ErrorBody {
  return { error: { code, message, ...(index === undefined ? {} : { index }) } };
}

/** Seconds after which a client may try again what met a full queue, or memory that ran out. */
export const RETRY_SOON = 1;

/** Seconds after which a client may try again what met a model that is not there. */
export const RETRY_LATER = 5;

/**
 * What the library's errors are over HTTP. A sentence stands in the place of the library's where that may name a path,
 * an address or the text of a native library.
 */
const LIBRARY: Record<ErrorCode, { status: number; sentence?: string; retryAfter?: number }> = {
  ERR_INVALID_ARGUMENT: { status: 422 },
  ERR_IMAGE_DECODE: { status: 422 },
  ERR_IMAGE_TOO_LARGE: { status: 413 },
  ERR_TEXT_TOO_LONG: { status: 422 },
  ERR_QUEUE_FULL: { status: 429, sentence: "Too many items are waiting: try again later.", retryAfter: RETRY_SOON },
  ERR_OUT_OF_MEMORY: {
    status: 503,
    sentence: "The device has too little memory at present: try again later, or send less.",
    retryAfter: RETRY_SOON,
  },
  ERR_DEVICE_LOST: {
    status: 503,
    sentence: "The device failed: the service must be restarted.",
    retryAfter: RETRY_LATER,
  },
  ERR_DEVICE_NOT_FOUND: {
    status: 503,
    sentence: "The configured device was not found.",
    retryAfter: RETRY_LATER,
  },
  ERR_CLOSED: { status: 503, sentence: "The service is shutting down.", retryAfter: RETRY_LATER },
  ERR_OFFLINE: {
    status: 503,
    sentence: "The model is not on this machine, and downloads are off.",
    retryAfter: RETRY_LATER,
  },
  ERR_MODEL_NOT_FOUND: { status: 503, sentence: "The model was not found.", retryAfter: RETRY_LATER },
  ERR_MODEL_INVALID: { status: 503, sentence: "The model cannot be read.", retryAfter: RETRY_LATER },
  ERR_MODEL_HASH: { status: 503, sentence: "The model is not the file that was expected.", retryAfter: RETRY_LATER },
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
  ERR_MODULE_NOT_FOUND: { status: 500, sentence: "The service lacks a package: see its log." },
  ERR_QUEUE_UNAVAILABLE: {
    status: 503,
    sentence: "The job queue cannot be reached: try again later.",
    retryAfter: RETRY_LATER,
  },
  ERR_INTERNAL: { status: 500, sentence: "The service failed: see its log for this request's id." },
};

/** Whether an error says something of the service, and not of the request. */
export function isServerFault(code: ErrorCode): boolean {
  return LIBRARY[code].status >= 500;
}

const UNREADABLE = "A picture cannot be read: it is damaged, cut short, or of an unknown kind";
const TOO_LARGE = "A picture is too large: send a smaller one";

/** An error of the library as the service tells it. */
export function fromLibrary(error: ClipBlipError): ServiceError {
  const { status, sentence, retryAfter } = LIBRARY[error.code];
  const message = sentence ?? sentenceOn(error);
  return new ServiceError(status, error.code, message, { index: error.index, retryAfter, cause: error });
}

/** The sentence on an item of the request. */
function sentenceOn(error: ClipBlipError): string {
  const { code, index, cause, message } = error;
  const item = index === undefined ? "" : ` (item ${index})`;
  // The library's sentence tells its caller what to raise.
  if (code === "ERR_IMAGE_TOO_LARGE") return `${TOO_LARGE}${item}.`;
  // With a cause, the library's sentence quotes the text of a decoder.
  if (code === "ERR_IMAGE_DECODE" && cause !== undefined && !(error instanceof FetchError)) {
    return `${UNREADABLE}${item}.`;
  }
  return message.replace(/^buffer /, "The file ");
}

/** What Fastify and its plugins throw, by their codes. */
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
  FST_ERR_CTP_EMPTY_JSON_BODY: [400, "ERR_INVALID_ARGUMENT", "The body is empty, but the content type is JSON."],
  FST_ERR_CTP_INVALID_JSON_BODY: [400, "ERR_INVALID_ARGUMENT", "The body is not valid JSON."],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [400, "ERR_INVALID_ARGUMENT", "The body does not have the announced length."],
};

interface AnyFailure {
  code?: string;
  statusCode?: number;
  validation?: unknown;
  message?: string;
}

/** Whatever a request ended with, as the service tells it. */
export function asServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  if (error instanceof ClipBlipError) return fromLibrary(error);
  const { code, statusCode, validation, message } = (error ?? {}) as AnyFailure;
  if (validation) return new ServiceError(422, "ERR_INVALID_ARGUMENT", message ?? "", { cause: error });
  const known = code === undefined ? undefined : FRAMEWORK[code];
  if (known) return new ServiceError(...known, { cause: error });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new ServiceError(statusCode, "ERR_INVALID_ARGUMENT", "The request cannot be understood.", { cause: error });
  }
  return new ServiceError(500, "ERR_INTERNAL", LIBRARY.ERR_INTERNAL.sentence!, { cause: error });
}
