// What threads.test.ts runs in a process of its own: prints how many threads loads and calls add to it.
import { readdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { loadBlip, loadClip } from "./models.js";

const threads = () => readdirSync("/proc/self/task").length;

// The pool's are there, and those of V8.
await Promise.all(Array.from({ length: 16 }, () => stat(".")));
const before = threads();
const pixels = { data: new Uint8Array(96 * 96 * 3), width: 96, height: 96, channels: 3 as const };
const clip = await loadClip({ dtype: "bfloat16" });
const [other, blip] = await Promise.all([loadClip(), loadBlip({ dtype: "bfloat16" })]);
await Promise.all([clip, other].flatMap((one) => [one.encodeImages([pixels]), one.encodeTexts(["a star"])]));
await blip.caption([{ ...pixels }]);
console.log(threads() - before);
