/** `count` rows of `length` zeros each, one behind the other in one buffer. */
export function rowsOf(count: number, length: number): Float32Array[] {
  const matrix = new Float32Array(count * length);
  return Array.from({ length: count }, (_, row) => matrix.subarray(row * length, (row + 1) * length));
}

/** The vectors of several batches, copied into one buffer in the order of the call. */
export function rowsOfOneBuffer(vectors: readonly Float32Array[], length: number): Float32Array[] {
  const rows = rowsOf(vectors.length, length);
  for (const [index, vector] of vectors.entries()) rows[index]!.set(vector);
  return rows;
}
