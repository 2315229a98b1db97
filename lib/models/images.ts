import { ClipBlipError } from "../common/errors.js";
import { assertArray, assertBoolean, assertFunction, assertInteger, assertSignal } from "../common/validate.js";
import type { CallOptions } from "../engine/pipeline.js";
import { assertImageInput } from "../input/assert.js";
import type { ImageInput } from "../input/types.js";

/** Options of every call that takes pictures. */
export interface ImageCallOptions extends CallOptions {
  /** Fetch `http(s):` URLs. Default false: a URL chosen by a stranger could reach into your network. */
  allowRemote?: boolean | undefined;
  /** Pictures with more pixels than this reject with ERR_IMAGE_TOO_LARGE. Default 50,000,000. */
  maxPixels?: number | undefined;
}

/** Names of the options of every call that takes pictures. */
export const IMAGE_CALL_OPTIONS = ["signal", "onProgress", "allowRemote", "maxPixels"] as const;

/** @throws ClipBlipError ERR_INVALID_ARGUMENT */
export function assertImageCallOptions(options: ImageCallOptions): void {
  assertSignal(options.signal, "options.signal");
  assertFunction(options.onProgress, "options.onProgress");
  assertBoolean(options.allowRemote, "options.allowRemote");
  assertInteger(options.maxPixels, "options.maxPixels", 1);
}

/** @throws ClipBlipError ERR_INVALID_ARGUMENT with the index of the first item that is not a picture */
export function assertImages(images: unknown, options: ImageCallOptions): asserts images is ImageInput[] {
  assertArray(images, "images");
  // An index loop, because forEach skips the holes of a sparse array.
  for (let index = 0; index < images.length; index++) {
    try {
      assertImageInput(images[index], `images[${index}]`, options);
    } catch (error) {
      throw blameItem(error, index);
    }
  }
}

function blameItem(error: unknown, index: number): unknown {
  return error instanceof ClipBlipError
    ? new ClipBlipError(error.code, error.message, { cause: error.cause, index })
    : error;
}
