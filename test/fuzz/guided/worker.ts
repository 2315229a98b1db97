// The thread that one target is fuzzed in: it may hang, or run out of memory, and is bundled with the instrumented readers.
import { parentPort, workerData } from "node:worker_threads";
import { random } from "../../unit/support/engine.js";
import { collectCounters } from "./counters.js";
import { type Crash, Fuzzer } from "./fuzzer.js";
import { makeTargets, type TargetName } from "./targets.js";

export interface Order {
  target: TargetName;
  folder: string;
  seed: number;
  /** How long, or how many runs. */
  seconds?: number;
  runs?: number;
  guided?: boolean;
  corpus: readonly Uint8Array[];
  /** Runs and length of the input that is being read; the input itself. */
  progress: Int32Array;
  input: Uint8Array;
}

export interface Outcome {
  runs: number;
  refused: number;
  counters: number;
  /** Counters that the corpus reaches, and that were reached in the end. */
  atStart: number;
  atEnd: number;
  /** As few inputs as reach the same. */
  corpus: Uint8Array[];
  crash?: Crash;
}

const { target, folder, seed, seconds, runs, guided, corpus, progress, input: current }: Order = workerData;

const counters = collectCounters();
const fuzzer = new Fuzzer(makeTargets(folder)[target], counters, random(seed), {
  guided,
  onRun: (input) => {
    current.set(input);
    progress[1] = input.length;
    Atomics.add(progress, 0, 1);
  },
});
let crash = await fuzzer.begin(corpus);
const { reached: atStart } = fuzzer;
crash ??= await fuzzer.search({ seconds, runs });
const { reached: atEnd, runs: done, refused } = fuzzer;
const minimised = crash ? [] : await fuzzer.minimised();
const outcome: Outcome = {
  runs: done,
  refused,
  counters: counters.length,
  atStart,
  atEnd,
  corpus: minimised,
  crash,
};
parentPort!.postMessage(outcome);
