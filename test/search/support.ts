import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { ClipBlipError } from "../../lib/common/errors.js";
import type { IndexableModel } from "../../lib/search/index.js";

/** How the stand-in for a model behaves. */
export interface Behaviour {
  dimension?: number;
  /** Another one is another model. */
  seed?: string;
  /** Milliseconds for each picture of a stream. */
  pace?: number;
  /** Runs before each picture of a stream. */
  onPicture?: (path: string) => void;
}

/** Numbers that follow from a text, of length 1. */
export function vectorOf(text: string, dimension = 16): Float32Array {
  const vector = new Float32Array(dimension);
  for (let index = 0; index < dimension; index++) {
    const digest = createHash("sha256").update(`${index} ${text}`).digest();
    vector[index] = digest.readInt32LE(0) / 2 ** 31;
  }
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

/**
 * A model whose embedding of a file follows from what the file says: "cat" and "cat" are the same, "cat ~1" is near
 * "cat", "broken" is no picture. Texts are embedded as the files that say the same.
 */
export function standIn({ dimension = 16, seed = "", pace = 0, onPicture }: Behaviour = {}): IndexableModel & {
  embedded: string[];
} {
  const embedded: string[] = [];
  const embed = (content: string) => {
    const [subject, variation] = content.split(" ~");
    const vector = vectorOf(seed + subject, dimension);
    if (variation === undefined) return vector;
    const other = vectorOf(variation, dimension);
    return vector.map((value, index) => value + 0.1 * other[index]!);
  };
  const read = (image: unknown) => {
    if (typeof image !== "string") return "pixels";
    if (!existsSync(image)) throw new ClipBlipError("ERR_IMAGE_NOT_FOUND", `There is no file ${image}`);
    const content = readFileSync(image, "utf8");
    if (content.startsWith("broken")) throw new ClipBlipError("ERR_IMAGE_DECODE", `${image} is no picture`);
    if (content === "huge") throw new ClipBlipError("ERR_OUT_OF_MEMORY", `${image} does not fit`);
    if (content === "fatal") throw new ClipBlipError("ERR_DEVICE_LOST", "The device is gone");
    return content;
  };
  return {
    embedded,
    encodeImages: async (images) => images.map((image) => embed(read(image))),
    encodeTexts: async (texts) => texts.map(embed),
    async *encodeImageStream(images, { signal } = {}) {
      for await (const path of images) {
        onPicture?.(path);
        if (pace) await delay(pace);
        signal?.throwIfAborted();
        try {
          const embedding = embed(read(path));
          embedded.push(path);
          yield { embedding };
        } catch (error) {
          yield { error: error as ClipBlipError };
        }
      }
    },
  };
}
