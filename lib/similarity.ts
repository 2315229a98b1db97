import { ClipBlipError } from "./errors.js";
import { invalidArgument } from "./validate.js";

/**
 * Cosine of the angle between two vectors, from -1 to 1: their dot product over the product of their lengths.
 * A vector of zeros has no direction; its similarity is 0.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT where the lengths differ
 */
export function cosineSimilarity(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (!isVector(a)) throw invalidArgument("a", "a vector of numbers", a);
  if (!isVector(b)) throw invalidArgument("b", "a vector of numbers", b);
  if (a.length !== b.length) {
    throw new ClipBlipError(
      "ERR_INVALID_ARGUMENT",
      `Vectors of ${a.length} and of ${b.length} numbers cannot be compared: they come from different models`,
    );
  }
  let dot = 0;
  let squaresA = 0;
  let squaresB = 0;
  for (let index = 0; index < a.length; index++) {
    const x = a[index]!;
    const y = b[index]!;
    dot += x * y;
    squaresA += x * x;
    squaresB += y * y;
  }
  return squaresA === 0 || squaresB === 0 ? 0 : dot / Math.sqrt(squaresA * squaresB);
}

/** Softmax with the largest value taken out first, so that no exponential overflows. */
export function softmax(logits: readonly number[]): number[] {
  const largest = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp(logit - largest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

function isVector(value: unknown): value is ArrayLike<number> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}
