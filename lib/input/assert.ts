import { ClipBlipError } from "../common/errors.js";
import { assertBoolean, assertInteger, assertSignal, invalidArgument } from "../common/validate.js";
import {
  asBytes,
  channelsOf,
  isBinary,
  isBlob,
  isBytes,
  isRawPixels,
  isReadable,
  isSharp,
  isWebStream,
} from "./kinds.js";
import { locate } from "./location.js";
import type { DecodeOptions, ImageInput, RawPixels } from "./types.js";

/**
 * Checks the type of a picture before anything runs; nothing is read or consumed.
 *
 * @param name what the caller knows the value as, such as `images[3]`
 * @param options with `allowRemote`, whether `http(s):` URLs may pass; without options they pass here and are refused
 *   when they are to be read
 * @throws ERR_INVALID_ARGUMENT, synchronously
 */
export function assertImageInput(value: unknown, name = "image", options?: DecodeOptions): asserts value is ImageInput {
  try {
    checkImageInput(value, name, options);
  } catch (error) {
    if (error instanceof ClipBlipError) throw error;
    // A getter, or a proxy, of the caller.
    throw invalid(`${name} is an object that cannot be read: see the cause.`, error);
  }
}

function checkImageInput(value: unknown, name: string, options?: DecodeOptions): void {
  if (typeof value === "string" || value instanceof URL) {
    const location = locate(value, name);
    if (location.kind === "remote" && options) assertRemoteAllowed(name, options);
    return;
  }
  if (typeof value === "object" && value !== null) {
    if (isBinary(value) || isSharp(value) || isReadable(value) || isWebStream(value) || isBlob(value)) return;
    if (isRawPixels(value)) {
      assertRawPixels(value, name);
      return;
    }
  }
  const expected =
    "a path, a URL, a Buffer or other binary object, a Blob, a stream, a sharp instance " +
    "or raw pixels {data, width, height, channels}";
  throw invalidArgument(name, expected, value);
}

/** @throws ERR_INVALID_ARGUMENT where remote pictures are not allowed. */
function assertRemoteAllowed(name: string, options: DecodeOptions): void {
  if (options.allowRemote) return;
  throw invalid(`${name} is a remote URL; set allowRemote: true to have it fetched, or fetch it yourself.`);
}

/** @throws ERR_INVALID_ARGUMENT for options of a wrong type or out of range. */
export function assertDecodeOptions(options: unknown): asserts options is DecodeOptions {
  if (typeof options !== "object" || options === null) throw invalidArgument("options", "an object", options);
  const { allowRemote, maxPixels, signal } = options as Record<keyof DecodeOptions, unknown>;
  assertBoolean(allowRemote, "options.allowRemote");
  assertInteger(maxPixels, "options.maxPixels", 1);
  assertSignal(signal, "options.signal");
}

function assertRawPixels(pixels: RawPixels, name: string): void {
  const { data, width, height, channels } = pixels;
  for (const [field, value] of [["width", width] as const, ["height", height] as const]) {
    if (!isCount(value)) throw invalidArgument(`${name}.${field}`, "a whole number of at least 1", value);
  }
  if (channels !== undefined && ![1, 3, 4].includes(channels)) {
    throw invalidArgument(`${name}.channels`, "1 (grey), 3 (RGB) or 4 (RGB and alpha)", channels);
  }
  if (!isBytes(data)) throw invalidArgument(`${name}.data`, "a Uint8Array, Uint8ClampedArray or ArrayBuffer", data);
  const { byteLength } = asBytes(data);
  if (![1, 3, 4].includes(channelsOf(pixels)) || byteLength !== width * height * channelsOf(pixels)) {
    const reason = byteLength === 0 ? " It is empty: was its memory transferred to another thread?" : "";
    const expected =
      channels === undefined
        ? `1, 3 or 4 for each of the ${width * height} pixels`
        : `width * height * channels = ${width * height * channels}`;
    throw invalid(`${name}.data has ${byteLength} bytes, not ${expected}.${reason}`);
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function invalid(message: string, cause?: unknown): ClipBlipError {
  return new ClipBlipError("ERR_INVALID_ARGUMENT", message, { cause });
}
