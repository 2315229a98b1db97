/** An embedding as numbers to print. Nine digits tell any two float32 values apart; a double would print seventeen. */
export function shortNumbers(embedding: Float32Array): number[] {
  return Array.from(embedding, (number) => Number(number.toPrecision(9)));
}
