/** How often each counter of an instrumented program was passed, as istanbul keeps it for a file. */
interface FileCoverage {
  s: ArrayLike<number>;
  f: ArrayLike<number>;
  b: Record<string, ArrayLike<number>>;
}

/** All counters of the instrumented modules that were loaded so far, in one array. */
export function collectCounters(): Uint32Array {
  const files = Object.values((globalThis as { __coverage__?: Record<string, FileCoverage> }).__coverage__ ?? {});
  const lengthOf = (counters: object) => Object.keys(counters).length;
  const total = files.reduce(
    (sum, { s, f, b }) => sum + lengthOf(s) + lengthOf(f) + Object.values(b).reduce((n, arms) => n + arms.length, 0),
    0,
  );
  const counters = new Uint32Array(total);
  let end = 0;
  const take = (length: number) => {
    end += length;
    return counters.subarray(end - length, end);
  };
  for (const file of files) {
    // The instrumented code counts by index, and does not mind that these are parts of an array.
    file.s = take(lengthOf(file.s));
    file.f = take(lengthOf(file.f));
    for (const [branch, arms] of Object.entries(file.b)) file.b[branch] = take(arms.length);
  }
  return counters;
}

/** Kinds of numbers that are told apart, as libFuzzer does: once, twice, three times, 4 to 7, … */
export const BUCKETS = 8;

export function bucketOf(count: number): number {
  if (count < 4) return count - 1;
  if (count < 16) return count < 8 ? 3 : 4;
  if (count < 128) return count < 32 ? 5 : 6;
  return 7;
}
