/**
 * The slope of points [x, y] after Theil and Sen: the median of the slopes of all pairs, which a few outliers (a heap
 * that grew, a page that was swapped) do not move.
 */
export function slopeOf(points: [number, number][]): number {
  const slopes = points
    .flatMap(([x, y], index) => points.slice(index + 1).map(([otherX, otherY]) => (otherY - y) / (otherX - x)))
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  if (slopes.length === 0) return Number.NaN;
  const middle = Math.floor(slopes.length / 2);
  return slopes.length % 2 ? slopes[middle]! : (slopes[middle - 1]! + slopes[middle]!) / 2;
}
