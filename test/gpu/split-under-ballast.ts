/**
 * A program for a process whose allocator is bounded: `split-under-ballast.ts <clip | blip> <checkpoint> <device> <bytes>`.
 * It runs pictures, puts models on the device that leave too little room for the same batch, runs them again, and takes
 * that ballast off. It prints what became of the batches.
 */
import { subscribe } from "node:diagnostics_channel";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlipModel, ClipModel, cosineSimilarity, type LoadOptions } from "clip-blip";
import { native } from "../../dist/native/instance.js";
import type { BatchEvent } from "../../lib/engine/events.js";
import { writeRandomClip } from "../library/random-checkpoint.js";
import { rawPictures } from "./pictures.js";

const [kind, checkpoint, device, bytes] = process.argv.slice(2) as ["clip" | "blip", string, `cuda:${number}`, string];

let batches: BatchEvent[] = [];
subscribe("clip-blip:batch", (event) => void batches.push(event as BatchEvent));
/** The largest batch, and how many tries ran out of memory, since the last question. */
function seen() {
  const result = {
    largest: Math.max(...batches.map(({ items }) => items)),
    splits: batches.reduce((sum, { splits }) => sum + splits, 0),
    failed: batches.reduce((sum, { failed }) => sum + failed, 0),
  };
  batches = [];
  return result;
}

// Captions in float32: in float16 the size of a batch alone may decide between two words that are as good as each other.
const options: LoadOptions = { device, ...(kind === "blip" ? { dtype: "float32" } : {}) };
const [count, run, alike] = await (async () => {
  if (kind === "clip") {
    const clip = await ClipModel.load(checkpoint, options);
    const same = (one: unknown, other: unknown) =>
      cosineSimilarity(one as Float32Array, other as Float32Array) > 0.9999;
    return [256, () => clip.encodeImages(rawPictures(256)) as Promise<unknown[]>, same] as const;
  }
  const blip = await BlipModel.load(checkpoint, { ...options, maxBatchSize: 24 });
  const same = (one: unknown, other: unknown) => (one as { text: string }).text === (other as { text: string }).text;
  return [24, () => blip.caption(rawPictures(24, 384)) as Promise<unknown[]>, same] as const;
})();

native().resetPeak(device);
const { allocated } = native().memory(device);
const expected = await run();
const before = seen();
const needed = native().memory(device).peak - allocated;

// In pieces of 64 MiB, because a model that is loaded may take twice its size for a moment: a table of words in float16.
const PIECE = 64 * 1024 ** 2;
// The cache goes back behind the answer; this comes after that.
await native().emptyCache(device);
const room = Number(bytes) - native().memory(device).reserved - 0.4 * needed;
const folder = mkdtempSync(join(tmpdir(), "clip-blip-ballast-"));
const ballast: ClipModel[] = [];
try {
  writeRandomClip(folder, { width: 64, layers: 1, vocabulary: PIECE / 128 });
  while ((ballast.length + 1) * PIECE < room) {
    ballast.push(await ClipModel.load(folder, { device, dtype: "float16", maxBatchSize: 1 }));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
batches = [];
const actual = await run();
const under = seen();
const same = actual.filter((result, index) => alike(result, expected[index])).length;

for (const piece of ballast) await piece.close();
let rounds = 0;
let after = { largest: 0, splits: 0, failed: 0 };
while (rounds < 200 && after.largest < before.largest) {
  rounds += 1;
  await run();
  after = seen();
}
process.stdout.write(
  JSON.stringify({ count, same, needed, ballast: ballast.length * PIECE, before, under, after, rounds }),
);
process.exit(0);
