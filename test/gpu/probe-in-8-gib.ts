/**
 * A program for a process whose allocator is bounded to 8 GiB: `probe-in-8-gib.ts <checkpoint> <device>`. Prints what the
 * probe found, how long it took at the load and once more, and the peak of everything.
 */
import { ClipModel } from "clip-blip";
import { rawPictures } from "./pictures.js";

const [checkpoint, device] = process.argv.slice(2) as [string, `cuda:${number}`];
let probeAt = 0;
const clip = await ClipModel.load(checkpoint, {
  device,
  memoryLimit: 0.75 * 8 * 1024 ** 3,
  onProgress: ({ phase }) => {
    if (phase === "probe") probeAt = performance.now();
  },
});
const atLoad = (performance.now() - probeAt) / 1000;
const started = performance.now();
await clip.probe();
const again = (performance.now() - started) / 1000;
await clip.encodeImages(rawPictures(512));
const { safeBatchSize, bytesPerItem, memory } = clip.capabilities();
process.stdout.write(JSON.stringify({ safeBatchSize, bytesPerItem, atLoad, again, peak: memory.peak }));
process.exit(0);
