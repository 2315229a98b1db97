import { summary } from "./statistics.mjs";

/**
 * Times `run` for some seconds after two runs that do not count, and at least `fewest` times.
 * @returns median and quartiles in milliseconds
 */
export async function measure(run, { seconds, fewest = 3 }) {
  for (let warmUp = 0; warmUp < 2; warmUp++) await run();
  const times = [];
  const end = performance.now() + 1000 * seconds;
  while (times.length < fewest || performance.now() < end) {
    const started = performance.now();
    await run();
    times.push(performance.now() - started);
  }
  return summary(times);
}
