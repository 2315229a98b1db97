import { types } from "node:util";
import { ClipBlipError } from "../../common/errors.js";
import { assertArray, assertInteger, assertOptions, invalidArgument } from "../../common/validate.js";

/**
 * Cosine of the angle between two vectors, from -1 to 1: their dot product divided by the product of their lengths. A
 * vector of zeros has no direction; its similarity is 0.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT if the dimensions differ
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

/**
 * Cosine similarity of every vector of `a` with every vector of `b`: `a.length` rows of `b.length` numbers, views of
 * one buffer. Runs on the calling thread and takes time proportional to `a.length * b.length * dimension`.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT if the dimensions differ
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
    for (let column = 0; column < directions.length; column++) rows[index]![column] = dot(from, directions[column]!);
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
 * @throws ClipBlipError ERR_INVALID_ARGUMENT if the dimensions differ
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
  for (const [index, vector] of vectors.entries()) {
    const score = cosineSimilarity(query, vector);
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
  const length = Math.sqrt(dot(copy, copy));
  return length === 0 ? copy : copy.map((value) => value / length);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
}

function assertVector(value: unknown, name: string): asserts value is ArrayLike<number> {
  if (!isVector(value)) throw invalidArgument(name, "a vector of numbers", value);
}

function assertVectors(value: unknown, name: string): asserts value is ArrayLike<number>[] {
  assertArray(value, name);
  for (let index = 0; index < value.length; index++) {
    if (!isVector(value[index])) {
      throw invalidArgument(`${name}[${index}]`, "a vector of numbers", value[index]).at(index);
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

function isVector(value: unknown): value is ArrayLike<number> {
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
