// What soak.test.ts runs in a process of its own: `child.ts <calls> [leak]` makes calls of every kind, one after another,
// and prints how the memory in use grew, and what is left when the models are closed. With "leak" every call leaves 1 KB
// behind, on purpose.
import { readdirSync, readFileSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { getHeapSpaceStatistics } from "node:v8";
import { BlipModel, ClipModel } from "clip-blip";
import { native } from "../../dist/native/instance.js";
import { slopeOf } from "./slope.js";

export interface SoakReport {
  calls: number;
  samples: number;
  /** Bytes in use that each call adds, after warm-up. */
  slope: number;
  left: { modules: number; jobs: number; bytes: number };
}

const SAMPLES = 200;
/** The part of the calls in which caches fill and heaps find their size, which goes by calls and not by time. */
const WARM_UP = 0.3;

const [calls, leak] = [Number(process.argv[2]), process.argv[3] === "leak"];

const pictures = fileURLToPath(new URL("../../models/demo-pictures/", import.meta.url));
const paths = readdirSync(pictures)
  .filter((name) => !name.endsWith(".json"))
  .map((name) => pictures + name);
const bytes = paths.map((path) => readFileSync(path));
const raw = { data: new Uint8Array(48 * 48 * 3).fill(120), width: 48, height: 48, channels: 3 as const };

const clip = await ClipModel.load("demo", { device: "cpu", dtype: "float32", maxBatchSize: 4 });
const blip = await BlipModel.load("demo", { device: "cpu", dtype: "float32", maxBatchSize: 2 });

/** One call a turn, over and over; a tenth of them fails or is given up. */
const kinds: ((turn: number) => Promise<unknown>)[] = [
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
  await kinds[turn % kinds.length]!(Math.floor(turn / kinds.length)).catch((error) => {
    if (error.code !== "ERR_IMAGE_DECODE" && error.name !== "TimeoutError") throw error;
  });
  // Filled, so that its pages are really there.
  if (leak) leaked.push(Buffer.allocUnsafeSlow(1024).fill(turn));
}

/**
 * Resident memory without the free pages of V8's heap. V8 sizes its young generation as it sees fit: its pages came and
 * went by 18 MB in three minutes, while what was used of them stayed within 0.4 MB, and everything else within 2 MB.
 */
async function bytesInUse(): Promise<number> {
  // Twice, with a turn between: the first lets finalizers run, the second takes what they let go.
  globalThis.gc!();
  await nextTurn();
  globalThis.gc!();
  const spaces = getHeapSpaceStatistics();
  const free = spaces.reduce((sum, space) => sum + space.physical_space_size - space.space_used_size, 0);
  return process.memoryUsage.rss() - free;
}

const samples: { call: number; bytes: number }[] = [];
for (let call = 0; samples.length < SAMPLES; ) {
  const end = ((samples.length + 1) / SAMPLES) * calls;
  while (call < end) await callOf(call++);
  samples.push({ call, bytes: await bytesInUse() });
}
const measured = samples.slice(SAMPLES * WARM_UP);

await clip.close();
await blip.close();
await bytesInUse();
const { liveModules, liveJobs, memory } = native();
const report: SoakReport = {
  calls,
  samples: measured.length,
  slope: slopeOf(measured.map((one) => [one.call, one.bytes])),
  left: { modules: liveModules(), jobs: liveJobs(), bytes: memory("cpu").allocated },
};
console.log(JSON.stringify(report));
