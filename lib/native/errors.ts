import { ClipBlipError, type ErrorCode } from "../common/errors.js";
import type { NativeError, NativeErrorCode } from "./types.js";

const CODES: Record<NativeErrorCode, ErrorCode> = {
  OUT_OF_MEMORY: "ERR_OUT_OF_MEMORY",
  DEVICE_LOST: "ERR_DEVICE_LOST",
  DEVICE_NOT_FOUND: "ERR_DEVICE_NOT_FOUND",
  MODEL_INVALID: "ERR_MODEL_INVALID",
  INVALID_ARGUMENT: "ERR_INVALID_ARGUMENT",
  UNLOADED: "ERR_CLOSED",
  IO: "ERR_MODEL_NOT_FOUND",
  INTERNAL: "ERR_INTERNAL",
};

const SENTENCES: Partial<Record<NativeErrorCode, string>> = {
  OUT_OF_MEMORY: "The device ran out of memory: lower maxBatchSize, raise memoryLimit, or free memory on the device",
  DEVICE_LOST: "The device failed, and this process can no longer use it: restart the process",
  INTERNAL: "LibTorch failed: see the cause for its message",
};

/** Turns an error of the addon into a ClipBlipError, with the native error as its cause. */
export function fromNative(error: unknown): ClipBlipError {
  if (error instanceof ClipBlipError) return error;
  const native = error as Partial<NativeError>;
  const nativeCode = native?.code !== undefined && native.code in CODES ? native.code : "INTERNAL";
  const sentence = SENTENCES[nativeCode] ?? native?.message ?? String(error);
  return new ClipBlipError(CODES[nativeCode], sentence, { cause: error });
}

/** The error for every call to a lost device; `reason` is the native message of the fault. */
export function deviceLost(reason: string): ClipBlipError {
  return fromNative(Object.assign(new Error(reason), { code: "DEVICE_LOST" as const }));
}

/** Whether a call failed because its items did not fit into memory. */
export function isOutOfMemory(error: unknown): error is ClipBlipError {
  return error instanceof ClipBlipError && error.code === "ERR_OUT_OF_MEMORY";
}
