/** The value below which a part `q` (0 to 1) of the samples lies, interpolated between neighbours. */
export function quantile(samples, q) {
  const sorted = Float64Array.from(samples).sort();
  const at = (sorted.length - 1) * q;
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

export const median = (samples) => quantile(samples, 0.5);

/** Median, quartiles and number of the samples. */
export function summary(samples) {
  return { median: median(samples), p25: quantile(samples, 0.25), p75: quantile(samples, 0.75), runs: samples.length };
}

/**
 * How many times slower `theirs` is than `ours`: the median over the rounds of the ratio within each round. What ran side
 * by side is compared, so a machine that slows down for a while moves both sides of a ratio.
 */
export function ratio(theirs, ours) {
  return median(ours.map((time, round) => theirs[round] / time));
}
