import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { MAX_LENGTH } from "./mutate.js";
import type { Order, Outcome } from "./worker.js";

/** Milliseconds without an end of a run after which it is taken for one that never ends. */
const HANG = 20_000;

/** Megabytes of heap; an input has 32 KB at most. */
const HEAP = 512;

/** The files of a folder, which need not be there. */
export function readCorpus(folder: string): Buffer[] {
  try {
    return readdirSync(folder)
      .sort()
      .map((name) => readFileSync(join(folder, name)));
  } catch {
    return [];
  }
}

/** Fuzzes one target in a thread of its own. What hangs, or takes all memory, is a crash as any other. */
export function fuzz(program: string, order: Omit<Order, "progress" | "input">, hang = HANG): Promise<Outcome> {
  const progress = new Int32Array(new SharedArrayBuffer(8));
  const longest = Math.max(MAX_LENGTH, ...order.corpus.map(({ length }) => length));
  const input = new Uint8Array(new SharedArrayBuffer(longest));
  const worker = new Worker(program, {
    workerData: { ...order, progress, input } satisfies Order,
    // None of the loaders of TypeScript: it is bundled.
    execArgv: [],
    // A stack as main threads have it.
    resourceLimits: { maxOldGenerationSizeMb: HEAP, stackSizeMb: 1 },
  });
  return new Promise((resolve) => {
    let [runs, since] = [0, performance.now()];
    const settle = (outcome: Outcome) => {
      clearInterval(watch);
      resolve(outcome);
    };
    const crash = (message: string) =>
      settle({
        ...{ runs: progress[0]!, refused: 0, counters: 0, atStart: 0, atEnd: 0, corpus: [] },
        crash: { input: Uint8Array.from(input.subarray(0, progress[1])), message },
      });
    const watch = setInterval(() => {
      if (progress[0] !== runs) [runs, since] = [progress[0]!, performance.now()];
      else if (performance.now() - since > hang) {
        crash(`It is not read after ${hang} ms`);
        void worker.terminate();
      }
    }, 500);
    worker.once("message", settle);
    worker.once("error", (error) => crash(error.stack ?? String(error)));
    worker.once("exit", () => crash("The thread ended by itself"));
  });
}
