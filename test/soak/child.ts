// What soak.test.ts runs in a process of its own: `child.ts <seconds> <bytes> [leak]` makes calls of every kind, one after
// another, and prints how resident memory grew, and what is left when the models are closed. Where it grew by more than
// so many bytes a call, it takes the time twice more at most: what heaps take to settle ends, and a leak does not. With
// "leak" every call leaves 1 KB behind, on purpose.
import { readdirSync, readFileSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { BlipModel, ClipModel } from "clip-blip";
import { native } from "../../dist/native/instance.js";
import { slopeOf } from "./slope.js";

export interface SoakReport {
  calls: number;
  samples: number;
  /** Bytes of resident memory a call, after warm-up. */
  slope: number;
  /** The same at the end of each time that was taken, the last one among them. */
  slopes: number[];
  left: { modules: number; jobs: number; bytes: number };
}

const SAMPLES = 200;
/** The part of the run in which caches fill, and heaps find their size. */
const WARM_UP = 0.3;

/** Times that the run may take. */
const ROUNDS = 3;

const [seconds, most, leak] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4] === "leak"];

const pictures = fileURLToPath(new URL("../../models/demo-pictures/", import.meta.url));
const paths = readdirSync(pictures)
  .filter((name) => !name.endsWith(".json"))
  .map((name) => pictures + name);
const bytes = paths.map((path) => readFileSync(path));
const raw = { data: new Uint8Array(48 * 48 * 3).fill(120), width: 48, height: 48, channels: 3 as const };

const clip = await ClipModel.load("demo", { device: "cpu", dtype: "float32", maxBatchSize: 4 });
const blip = await BlipModel.load("demo", { device: "cpu", dtype: "float32", maxBatchSize: 2 });

/** One call a turn, over and over; a tenth of them fails or is given up. */
const calls: ((turn: number) => Promise<unknown>)[] = [
  (turn) => clip.encodeTexts([`a red circle number ${turn}`]),
  () => clip.encodeImages([raw]),
  (turn) => clip.encodeImages([paths[turn % paths.length]!]),
  (turn) => clip.encodeTexts(Array(1 + (turn % 6)).fill("a blue square")),
  (turn) => clip.encodeImages([bytes[turn % bytes.length]!, raw]),
  (turn) => clip.encodeImages([raw, bytes[turn % bytes.length]!.subarray(0, 300)]),
  () => clip.encodeImages([raw, raw], { signal: AbortSignal.timeout(0) }),
  () => clip.classify([raw], ["a circle", "a square"]),
  (turn) => (turn % 10 === 0 ? blip.caption([raw]) : clip.encodeTexts(["x"])),
  async (turn) => {
    if (turn % 50 === 0) await clip.unload();
    for await (const result of clip.encodeImageStream([raw, "nowhere.jpg"])) void result;
  },
];

const leaked: Buffer[] = [];
async function callOf(turn: number): Promise<void> {
  await calls[turn % calls.length]!(Math.floor(turn / calls.length)).catch((error) => {
    if (error.code !== "ERR_IMAGE_DECODE" && error.name !== "TimeoutError") throw error;
  });
  // Filled, so that its pages are really there.
  if (leak) leaked.push(Buffer.allocUnsafeSlow(1024).fill(turn));
}

async function residentBytes(): Promise<number> {
  // Twice, with a turn between: the first lets finalizers run, the second takes what they let go.
  globalThis.gc!();
  await nextTurn();
  globalThis.gc!();
  return process.memoryUsage.rss();
}

const samples: { call: number; bytes: number }[] = [];
/** The samples that count, and their slope. */
function measure() {
  const measured = samples.slice(Math.floor(samples.length * WARM_UP));
  return { samples: measured.length, slope: slopeOf(measured.map((one) => [one.call, one.bytes])) };
}

const started = performance.now();
const slopes: number[] = [];
let call = 0;
do {
  for (let sample = 0; sample < SAMPLES; sample++) {
    const end = started + ((samples.length + 1) / SAMPLES) * seconds * 1000;
    while (performance.now() < end) await callOf(call++);
    samples.push({ call, bytes: await residentBytes() });
  }
  slopes.push(measure().slope);
} while (slopes.at(-1)! > most && samples.length < ROUNDS * SAMPLES);
const measured = measure();

await clip.close();
await blip.close();
await residentBytes();
const { liveModules, liveJobs, memory } = native();
const report: SoakReport = {
  calls: call,
  ...measured,
  slopes,
  left: { modules: liveModules(), jobs: liveJobs(), bytes: memory("cpu").allocated },
};
console.log(JSON.stringify(report));
