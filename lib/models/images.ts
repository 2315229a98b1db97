import { ClipBlipError } from "../common/errors.js";
import { assertBoolean, assertFunction, assertInteger, assertSignal, assertStrings } from "../common/validate.js";
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

/** The inputs of a call that takes one or a list. */
export interface OneOrMany<Input> {
  list: Input[];
  /** Whether the caller gave one input, and gets one result. */
  single: boolean;
}

/**
 * The pictures of a call.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT with the index of the first item that is not a picture
 */
export function imageList(images: ImageInput | ImageInput[], options: ImageCallOptions): OneOrMany<ImageInput> {
  const single = !Array.isArray(images);
  const list = single ? [images] : images;
  // An index loop, because forEach skips the holes of a sparse array.
  for (let index = 0; index < list.length; index++) {
    try {
      assertImageInput(list[index], single ? "images" : `images[${index}]`, options);
    } catch (error) {
      throw blameItem(error, index);
    }
  }
  return { list, single };
}

/**
 * The texts of a call.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT with the index of the first item that is not a string
 */
export function textList(texts: string | string[], name: string): OneOrMany<string> {
  if (typeof texts === "string") return { list: [texts], single: true };
  assertStrings(texts, name);
  return { list: texts, single: false };
}

function blameItem(error: unknown, index: number): unknown {
  return error instanceof ClipBlipError
    ? new ClipBlipError(error.code, error.message, { cause: error.cause, index })
    : error;
}
