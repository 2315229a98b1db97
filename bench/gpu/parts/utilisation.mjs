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
const images = pictures(inputs, told.batches.at(-1));
await clip.encodeImages(images);

const samples = [];
const query = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", `--loop-ms=${INTERVAL}`];
const sampler =
  told.device === "cpu" ? undefined : spawn("nvidia-smi", query, { stdio: ["ignore", "pipe", "inherit"] });
if (sampler) {
  sampler.once("error", () => {});
  createInterface({ input: sampler.stdout }).on("line", (line) => samples.push(Number(line)));
}
const started = performance.now();
const end = started + 1000 * told.seconds * 6;
let items = 0;
const lane = async () => {
  while (performance.now() < end) {
    const { length } = await clip.encodeImages(images);
    items += length;
  }
};
await Promise.all(Array.from({ length: LANES }, lane));
const seconds = (performance.now() - started) / 1000;
sampler?.kill();
// The driver averages over up to a second: the first samples are of the time before.
const counted = samples.slice(Math.ceil(1000 / INTERVAL));
figure({
  kind: "utilisation",
  model: "clip-b32",
  itemsPerSecond: items / seconds,
  percent: counted.length ? median(counted) : undefined,
  samples: counted.length,
});
await clip.close();
