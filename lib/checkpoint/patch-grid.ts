import { invalidModel } from "./invalid.js";
import type { JsonObject } from "./json.js";

/** Sizes of the picture that an image tower takes. */
export interface PatchGrid {
  /** Pixels of a side of the picture. */
  imageSize: number;
  /** Pixels of a side of a patch. */
  patchSize: number;
  /** Patches of a side of the picture. */
  side: number;
  /** Tokens of a picture: one for each patch, and one in front. */
  tokens: number;
}

/**
 * Reads the sizes of pictures and patches from the image part of config.json.
 * @throws ClipBlipError ERR_MODEL_INVALID for a wrong value, and for pictures that are not square or not RGB
 */
export function readPatchGrid(config: JsonObject, defaults: Pick<PatchGrid, "imageSize" | "patchSize">): PatchGrid {
  const imageSize = readSide(config, "image_size", defaults.imageSize);
  const patchSize = readSide(config, "patch_size", defaults.patchSize);
  if (patchSize > imageSize) {
    throw invalidModel(`${config.where}: patch_size ${patchSize} is larger than image_size ${imageSize}`);
  }
  config.integer("num_channels", { fallback: 3, min: 3, max: 3 });
  const side = Math.floor(imageSize / patchSize);
  return { imageSize, patchSize, side, tokens: side ** 2 + 1 };
}

/** A number, or a list of height and width, which must be equal. */
function readSide(config: JsonObject, key: string, fallback: number): number {
  const value = config.raw(key) ?? fallback;
  const size = Array.isArray(value) && value.length === 2 && value[0] === value[1] ? value[0] : value;
  if (!Number.isInteger(size) || size < 1 || size > 1 << 16) {
    throw config.wrong(key, "the side of a square in pixels", value);
  }
  return size;
}
