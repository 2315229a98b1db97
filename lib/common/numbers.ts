/** An embedding as numbers to print: nine digits tell any two float32 apart, a double's seventeen are of no use. */
export function shortNumbers(embedding: Float32Array): number[] {
  return Array.from(embedding, (number) => Number(number.toPrecision(9)));
}
