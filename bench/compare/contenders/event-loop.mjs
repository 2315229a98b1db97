import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { quantile } from "../../common/statistics.mjs";

/** Between two reads of a file, in milliseconds. */
const PAUSE = 20;

/**
 * How a process answers while it works: runs `work(stopped)` in `lanes` loops for some seconds, reads a file now and then,
 * and watches the event loop.
 *
 * @param work one piece of work; gives back the items that it did
 * @returns delays of the loop and of `fs.readFile` in milliseconds, and items a second
 */
export async function underLoad({ seconds, lanes, work }) {
  const folder = await mkdtemp(join(tmpdir(), "clip-blip-bench-"));
  const file = join(folder, "small.txt");
  await writeFile(file, "a".repeat(4096));
  // A timer of 1 ms: what it shows above that is the delay, and the millisecond is left in.
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const reads = [];
  let items = 0;
  try {
    await work();
    const started = performance.now();
    const stop = started + 1000 * seconds;
    const lane = async () => {
      while (performance.now() < stop) {
        // Not `items += await …`, which would read the sum before other lanes add to it.
        const done = await work();
        items += done;
      }
    };
    delay.enable();
    const working = Promise.all(Array.from({ length: lanes }, lane));
    while (performance.now() < stop) {
      const asked = performance.now();
      await readFile(file);
      reads.push(performance.now() - asked);
      await sleep(PAUSE);
    }
    delay.disable();
    await working;
    const elapsed = (performance.now() - started) / 1000;
    return {
      loopP50: delay.percentile(50) / 1e6,
      loopP99: delay.percentile(99) / 1e6,
      loopMax: delay.max / 1e6,
      readP50: quantile(reads, 0.5),
      readP99: quantile(reads, 0.99),
      readMax: Math.max(...reads),
      itemsPerSecond: items / elapsed,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
