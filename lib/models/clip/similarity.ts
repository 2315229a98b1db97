import { types } from "node:util";
import { ClipBlipError } from "../../common/errors.js";
import { assertArray, assertInteger, assertOptions, invalidArgument } from "../../common/validate.js";

/**
 * Cosine of the angle between two vectors, from -1 to 1: their dot product divided by the product of their lengths. A
 * vector of zeros has no direction; its similarity is 0.
 * @param a finite numbers, at least one
 * @param b as many
 * @throws ClipBlipError ERR_INVALID_ARGUMENT if the dimensions differ, and for what is no vector of finite numbers
 * @example
 * ```ts
 * const [a, b] = await clip.encodeTexts(["a cat", "a kitten"]);
 * console.log(cosineSimilarity(a, b));
 * ```
 */
export function cosineSimilarity(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assertVector(a, "a");
  assertVector(b, "b");
  assertSameLength(a, b);
  return cosine(direction(a), direction(b));
}

/**
 * Cosine similarity of every vector of `a` with every vector of `b`: `a.length` rows of `b.length` numbers, views of
 * one buffer. Runs on the calling thread and takes time proportional to `a.length * b.length * dimension`.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT as `cosineSimilarity`, with the index of the vector
 * @example
 * ```ts
 * const rows = similarityMatrix(await clip.encodeImages(images), await clip.encodeTexts(["a cat", "a dog"]));
 * console.log(rows[0][1]); // first picture, second text
 * ```
 */
export function similarityMatrix(a: ArrayLike<number>[], b: ArrayLike<number>[]): Float32Array[] {
  assertVectors(a, "a");
  assertVectors(b, "b");
  const first = a[0] ?? b[0];
  for (const vector of first ? [...a, ...b] : []) assertSameLength(first!, vector);
  const directions = b.map(direction);
  const rows = zeroMatrix(a.length, b.length);
  for (const [index, vector] of a.entries()) {
    const from = direction(vector);
    for (let column = 0; column < directions.length; column++) rows[index]![column] = cosine(from, directions[column]!);
  }
  return rows;
}

/** A neighbour that `nearest` found. */
export interface Neighbor {
  /** Position in the list of vectors. */
  index: number;
  /** Cosine similarity, from -1 to 1. */
  score: number;
}

/** Options of `nearest`. */
export interface NearestOptions {
  /** Maximum number of results. Default 10. */
  top?: number | undefined;
}

/**
 * The vectors that are most similar to a query, best first; equally similar ones in their order. Compares with every
 * vector, on the calling thread: exact, and fast enough for some hundred thousand. For more, or to keep the vectors on
 * disk, use `ImageIndex` of `clip-blip/search`.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT as `cosineSimilarity`
 * @example
 * ```ts
 * const vectors = await clip.encodeImages(paths);
 * const [best] = nearest(await clip.encodeTexts("a dog on a beach"), vectors, { top: 5 });
 * console.log(paths[best.index], best.score);
 * ```
 */
export function nearest(
  query: ArrayLike<number>,
  vectors: readonly ArrayLike<number>[],
  options: NearestOptions = {},
): Neighbor[] {
  assertVector(query, "query");
  assertVectors(vectors, "vectors");
  assertOptions(options, "options", ["top"]);
  assertInteger(options.top, "options.top", 1);
  const { top = 10 } = options;
  const best: Neighbor[] = [];
  const from = direction(query);
  for (const [index, vector] of vectors.entries()) {
    assertSameLength(query, vector);
    const score = cosine(from, direction(vector));
    if (best.length === top && score <= best[top - 1]!.score) continue;
    // Few are kept, and of a long list few get here.
    const place = best.findIndex((one) => one.score < score);
    best.splice(place < 0 ? best.length : place, 0, { index, score });
    if (best.length > top) best.pop();
  }
  return best;
}

/** A copy scaled to length 1, in double precision; a vector of zeros stays as it is. */
function direction(vector: ArrayLike<number>): Float64Array {
  const copy = Float64Array.from(vector);
  // Scaled by its largest number first, because the squares of very large or small ones leave double precision.
  const largest = copy.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (largest === 0) return copy;
  for (let index = 0; index < copy.length; index++) copy[index]! /= largest;
  const length = Math.sqrt(dot(copy, copy));
  return copy.map((value) => value / length);
}

/** Rounding alone could take it out of its range. */
function cosine(a: Float64Array, b: Float64Array): number {
  return Math.max(-1, Math.min(1, dot(a, b)));
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
}

function assertVector(value: unknown, name: string): asserts value is ArrayLike<number> {
  if (!isList(value) || value.length === 0) throw invalidArgument(name, "a vector of at least one number", value);
  for (let index = 0; index < value.length; index++) {
    if (!Number.isFinite(value[index])) throw invalidArgument(`${name}[${index}]`, "a finite number", value[index]);
  }
}

/** @throws ClipBlipError ERR_INVALID_ARGUMENT for what is no list of finite numbers, and for an empty one */
export function assertVectors(value: unknown, name: string): asserts value is ArrayLike<number>[] {
  assertArray(value, name);
  for (let index = 0; index < value.length; index++) {
    try {
      assertVector(value[index], `${name}[${index}]`);
    } catch (error) {
      throw error instanceof ClipBlipError ? error.at(index) : error;
    }
  }
}

function assertSameLength(a: ArrayLike<number>, b: ArrayLike<number>): void {
  if (a.length === b.length) return;
  throw new ClipBlipError(
    "ERR_INVALID_ARGUMENT",
    `Vectors of ${a.length} and ${b.length} numbers cannot be compared: use embeddings of the same model`,
  );
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !types.isDataView(value));
}

/** `count` rows of `length` zeros each, contiguous in one buffer. */
export function zeroMatrix(count: number, length: number): Float32Array[] {
  const matrix = new Float32Array(count * length);
  return Array.from({ length: count }, (_, row) => matrix.subarray(row * length, (row + 1) * length));
}

/** Copies vectors into one buffer, in the order given. */
export function toMatrix(vectors: readonly Float32Array[], length: number): Float32Array[] {
  const rows = zeroMatrix(vectors.length, length);
  for (const [index, vector] of vectors.entries()) rows[index]!.set(vector);
  return rows;
}
