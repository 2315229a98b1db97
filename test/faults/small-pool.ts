/**
 * A program for a process whose pool has one thread: calls of three threads wait for a device that is held, while files
 * are read. Prints how long the slowest read took, in milliseconds, and how much was done when the device was free.
 */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { demoPictures } from "../library/models.js";
import { withFaults } from "./addon.js";
import { Thread } from "./threads.js";

const { BlipModel, ClipModel, binding, faults } = await withFaults();
const clip = await ClipModel.load("demo", { device: "cpu", dtype: "float32" });
const blip = await BlipModel.load("demo", { device: "cpu", dtype: "float32" });
const threads = [await Thread.start(), await Thread.start()];

faults.armFault("out-of-memory", 0);
if (!binding.tryAcquireDevice("cpu")) throw new Error("somebody has the device");
const calls: Promise<unknown>[] = [
  ...threads.flatMap((thread) => [thread.run("texts", 5).ended, thread.run("captions", 1).ended]),
  ...Array.from({ length: 20 }, () => clip.encodeTexts(["here"])),
  blip.caption(demoPictures.slice(0, 2)),
];
// Until what is prepared ahead is prepared, and all threads and both models wait.
while (binding.waitingForDevice("cpu") < 2 * threads.length + 2) await sleep(10);
let slowest = 0;
for (let read = 0; read < 100; read++) {
  const started = performance.now();
  await readFile(demoPictures[0]!);
  slowest = Math.max(slowest, performance.now() - started);
}
const runsBefore = faults.deviceRuns();
binding.releaseDevice("cpu");
const settled = await Promise.allSettled(calls);
const failed = settled.filter(
  (result) => result.status === "rejected" || (result.value as { step?: string }).step === "failed",
).length;
process.stdout.write(JSON.stringify({ slowest, runsBefore, runs: faults.deviceRuns(), failed }));
process.exit(0);
