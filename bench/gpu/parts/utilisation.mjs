// How much of the time the device works while four calls of raw pictures are in flight: in plain memory, which is copied
// once, and in shared memory, which is read where it is.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { ClipModel } from "clip-blip";
import { median } from "../../common/statistics.mjs";
import { inputsOf, pictures } from "../inputs.mjs";
import { figure, settings } from "../settings.mjs";

/** Calls in flight: the device must find the next batch ready. */
const LANES = 4;
/** Milliseconds between two samples. */
const INTERVAL = 100;

const told = settings();
const inputs = await inputsOf("clip-b32", told);
const clip = await ClipModel.load(inputs.directory, { device: told.device });
const plain = pictures(inputs, told.batches.at(-1));
const shared = plain.map(({ data, ...size }) => {
  const copy = new Uint8Array(new SharedArrayBuffer(data.length));
  copy.set(data);
  return { data: copy, ...size };
});

const samples = [];
const query = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", `--loop-ms=${INTERVAL}`];
const sampler =
  told.device === "cpu" ? undefined : spawn("nvidia-smi", query, { stdio: ["ignore", "pipe", "inherit"] });
if (sampler) {
  sampler.once("error", () => {});
  createInterface({ input: sampler.stdout }).on("line", (line) => samples.push(Number(line)));
}
for (const [memory, images] of Object.entries({ plain, shared })) {
  const started = performance.now();
  const end = started + 1000 * told.seconds * 4;
  samples.length = 0;
  let items = 0;
  const lane = async () => {
    while (performance.now() < end) {
      const { length } = await clip.encodeImages(images);
      items += length;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const seconds = (performance.now() - started) / 1000;
  // The driver averages over up to a second: the first samples are of the time before.
  const counted = samples.slice(Math.ceil(1000 / INTERVAL));
  figure({
    kind: "utilisation",
    model: "clip-b32",
    memory,
    itemsPerSecond: items / seconds,
    percent: counted.length ? median(counted) : undefined,
    samples: counted.length,
  });
}
sampler?.kill();
await clip.close();
