import { cosineSimilarity } from "../models/clip/similarity.js";
import type { IndexableModel } from "./model.js";

/**
 * Which model made the vectors of an index, by the vector that it gives for one picture. This tells models apart whatever
 * their files are called, and treats a checkpoint, its archive and all its dtypes as the same.
 */
export interface ModelIdentity {
  /** For messages: what the caller calls the model. */
  name?: string;
  picture: Float32Array;
}

/**
 * Cosine from which on two answers are of one model: the demo model's in bfloat16 and float32 have 0.99997, those of full
 * ViT-B/32 and ViT-L/14 0.9999. Different models are nowhere near.
 */
const SAME = 0.998;

/** Asks a model who it is. */
export async function identify(model: IndexableModel, name?: string, signal?: AbortSignal): Promise<ModelIdentity> {
  const [picture] = await model.encodeImages([gradient(224)], { signal });
  return { ...(name === undefined ? {} : { name }), picture: picture! };
}

/** Whether vectors of the two can stand in one index. */
export function isSameModel({ picture: one }: ModelIdentity, { picture: other }: ModelIdentity): boolean {
  return one.length === other.length && cosineSimilarity(one, other) >= SAME;
}

/** A picture that is the same everywhere: red grows to the right, green downwards, blue with both. */
function gradient(side: number): { data: Uint8Array; width: number; height: number; channels: 3 } {
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) data.set([x, y, (x * y) >> 8], 3 * (y * side + x));
  }
  return { data, width: side, height: side, channels: 3 };
}
