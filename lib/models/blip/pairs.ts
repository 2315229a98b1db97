import type { BlipDescription } from "../../checkpoint/description.js";
import { readPreprocessorConfig } from "../../checkpoint/preprocessor-config.js";
import { invalidArgument } from "../../common/validate.js";
import type { ImageInput } from "../../input/types.js";
import type { TextsAboutPictures } from "../../native/types.js";
import { ImageReader, type ReadOptions } from "../image-reader.js";
import type { Runtime } from "../model.js";

/** A picture shared by several items of one call; it is decoded once. */
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
 * Pairs pictures with texts: equal numbers are paired in order, a single picture goes with every text, a single text
 * with every picture.
 * @param name of the texts, for messages
 * @throws ClipBlipError ERR_INVALID_ARGUMENT for other numbers
 */
export function pairUp(images: readonly ImageInput[], texts: readonly string[], name: string): Pair[] {
  if (images.length === 0 || texts.length === 0) return [];
  if (images.length !== texts.length && images.length !== 1 && texts.length !== 1) {
    const expected = `a string, or one string for each of the ${images.length} pictures`;
    throw invalidArgument(name, `${expected} (any number only for a single picture)`, texts);
  }
  const shared = images.map((image): SharedImage => ({ image }));
  return Array.from({ length: Math.max(images.length, texts.length) }, (_, index) => ({
    image: shared[images.length === 1 ? 0 : index]!,
    text: texts[texts.length === 1 ? 0 : index]!,
  }));
}

/** Reads the pictures of a BLIP model. */
export function blipImageReader({ native, description, extraFiles }: Runtime<BlipDescription>): ImageReader {
  const config = extraFiles["preprocessor_config.json"]!;
  return new ImageReader(native, readPreprocessorConfig(config, "blip", description.imageSize));
}

/**
 * Tokens of the text that memory is measured with: the maximum in BLIP's training, and more than most questions have.
 */
const SAMPLE_TOKENS = 35;

/** The ids of a text to measure memory with. */
export function sampleText({ contextLength, endTokenId }: BlipDescription): number[] {
  return Array(Math.min(SAMPLE_TOKENS, contextLength)).fill(endTokenId);
}

/** The pixels of a shared picture; its first item triggers the read. */
export function sharedPixels(
  reader: ImageReader,
  shared: SharedImage,
  options: ReadOptions,
  signal: AbortSignal,
): Promise<Uint8Array> | Uint8Array {
  shared.pixels ??= reader.read(shared.image, options, signal);
  return shared.pixels;
}

/** The pictures of a batch, each once, and which one each text is about. */
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
