import type { PreprocessPlan } from "../../checkpoint/preprocessor-config.js";
import { invalidArgument } from "../../common/validate.js";
import type { ImageInput } from "../../input/types.js";
import type { NativeBinding, TextsAboutPictures } from "../../native/types.js";
import { type ImageCallOptions, preparePixels, readyPixels } from "../images.js";

/** A picture that several items of one call are about: it is decoded and encoded once. */
export interface SharedImage {
  image: ImageInput;
  pixels?: Promise<Uint8Array> | Uint8Array;
}

/** One text about one picture. */
export interface Pair {
  image: SharedImage;
  text: string;
}

/**
 * Pairs of pictures and texts. As many of one as of the other are pairs in their order; a lone picture goes with every
 * text, a lone text with every picture.
 * @param name of the texts, for messages
 * @throws ClipBlipError ERR_INVALID_ARGUMENT for other numbers
 */
export function pairUp(images: readonly ImageInput[], texts: string | readonly string[], name: string): Pair[] {
  const all = typeof texts === "string" ? [texts] : texts;
  if (images.length === 0 || all.length === 0) return [];
  if (images.length !== all.length && images.length !== 1 && all.length !== 1) {
    const expected = `one string, or one for each of ${images.length} pictures`;
    throw invalidArgument(name, `${expected}, or any number about one picture,`, all);
  }
  const shared = images.map((image): SharedImage => ({ image }));
  return Array.from({ length: Math.max(images.length, all.length) }, (_, index) => ({
    image: shared[images.length === 1 ? 0 : index]!,
    text: all[all.length === 1 ? 0 : index]!,
  }));
}

/** The pixels of a shared picture; the first of its items has them made. */
export function sharedPixels(
  binding: NativeBinding,
  shared: SharedImage,
  plan: PreprocessPlan,
  options: Pick<ImageCallOptions, "allowRemote" | "maxPixels">,
  signal: AbortSignal,
): Promise<Uint8Array> | Uint8Array {
  shared.pixels ??=
    readyPixels(shared.image, plan, options) ?? preparePixels(binding, shared.image, plan, options, signal);
  return shared.pixels;
}

/** Items of a batch, each picture once. */
export function distinctPictures(items: readonly { pixels: Uint8Array; textIds: number[] }[]): {
  pixels: Uint8Array[];
  about: TextsAboutPictures;
} {
  const places = new Map<Uint8Array, number>();
  for (const { pixels } of items) if (!places.has(pixels)) places.set(pixels, places.size);
  return {
    pixels: [...places.keys()],
    about: {
      texts: items.map(({ textIds }) => Int32Array.from(textIds)),
      picture: Int32Array.from(items, ({ pixels }) => places.get(pixels)!),
    },
  };
}
