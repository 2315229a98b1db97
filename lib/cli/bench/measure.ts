/** How long something took, over several runs. */
export interface Timing {
  /** Milliseconds. */
  median: number;
  runs: number;
}

/** Minimum number of runs that are measured, however long they take. */
const MIN_RUNS = 3;

/**
 * Runs something repeatedly for some seconds. The first run is not measured, since it has one-time costs.
 * @throws `signal.reason` between two runs; what `run` rejects with
 */
export async function measure(
  run: () => Promise<unknown>,
  options: { seconds: number; signal?: AbortSignal },
): Promise<Timing> {
  await run();
  const times: number[] = [];
  const end = performance.now() + 1000 * options.seconds;
  while (times.length < MIN_RUNS || performance.now() < end) {
    options.signal?.throwIfAborted();
    const started = performance.now();
    await run();
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  const middle = times.length >> 1;
  const median = times.length % 2 ? times[middle]! : (times[middle - 1]! + times[middle]!) / 2;
  return { median, runs: times.length };
}
