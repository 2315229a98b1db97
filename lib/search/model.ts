import type { ClipBlipError } from "../common/errors.js";
import type { ImageInput } from "../input/types.js";
import { cosineSimilarity } from "../models/clip/similarity.js";

interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** What an index uses of a model; `ClipModel` has it. */
export interface IndexableModel {
  encodeImages(images: ImageInput[], options?: CallOptions): Promise<Float32Array[]>;
  encodeTexts(texts: string[], options?: CallOptions): Promise<Float32Array[]>;
  encodeImageStream(
    images: AsyncIterable<string>,
    options?: CallOptions,
  ): AsyncIterable<{ embedding: Float32Array } | { error: ClipBlipError }>;
}

/**
 * Identifies the model of an index by its vector for a fixed picture. This tells models apart whatever their files are
 * called, and treats a checkpoint, its archive and all its dtypes as the same.
 */
export interface ModelIdentity {
  /** The caller's name of the model, for messages. */
  name?: string;
  picture: Float32Array;
}

/**
 * Minimum cosine of the vectors of one model: the demo model has 0.99997 between bfloat16 and float32, full ViT-B/32
 * and ViT-L/14 have 0.9999. Different models are nowhere near.
 */
const MIN_COSINE = 0.998;

/** Computes the identity of a model. */
export async function identify(model: IndexableModel, name?: string, signal?: AbortSignal): Promise<ModelIdentity> {
  const [picture] = await model.encodeImages([gradient(224)], { signal });
  return { ...(name === undefined ? {} : { name }), picture: picture! };
}

/** Whether vectors of the two can be in one index. */
export function isSameModel({ picture: one }: ModelIdentity, { picture: other }: ModelIdentity): boolean {
  return one.length === other.length && cosineSimilarity(one, other) >= MIN_COSINE;
}

/** The fixed picture: red grows to the right, green downwards, blue with both. */
function gradient(side: number): { data: Uint8Array; width: number; height: number; channels: 3 } {
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) data.set([x, y, (x * y) >> 8], 3 * (y * side + x));
  }
  return { data, width: side, height: side, channels: 3 };
}
