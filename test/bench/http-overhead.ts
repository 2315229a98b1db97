// What HTTP adds to the library: node --import tsx test/bench/http-overhead.ts [seconds a run] [rounds]
// A CLIP of the size of ViT-B/32 with random weights, pictures of 100 KB, 32 of them at a time. Library and service take
// turns in one process; the client has one of its own, and takes its part of the cores.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { ClipModel } from "clip-blip";
import { createServer } from "clip-blip/server";
import sharp from "sharp";
import { writeRandomClip } from "../library/random-checkpoint.js";
import { runClient } from "./fork-client.js";

const SECONDS = Number(process.argv[2] ?? 15);
const ROUNDS = Number(process.argv[3] ?? 4);
const CLIENTS = 32;

const folder = mkdtempSync(join(tmpdir(), "clip-blip-http-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
writeRandomClip(folder, { width: 768, layers: 12, vocabulary: 1000, imageSize: 224, patch: 32 });
const picture = join(folder, "picture.jpg");
const bytes = await pictureOf(100_000);
writeFileSync(picture, bytes);

const clip = await ClipModel.load(folder, { device: "cpu" });
await clip.warmup();
const server = createServer({ clip, blip: false, logger: { level: "warn" } });
const url = `${await server.listen({ port: 0 })}/api/v1/embeddings/images`;

/** Pictures a second, and milliseconds of a core that this process has spent on each. */
interface Figures {
  rate: number;
  core: number;
}

async function library(): Promise<Figures> {
  const before = process.cpuUsage();
  const end = performance.now() + 1000 * SECONDS;
  let done = 0;
  const caller = async () => {
    while (performance.now() < end) {
      await clip.encodeImages([bytes]);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, caller));
  return { rate: done / SECONDS, core: coreTime(before) / done };
}

async function service(): Promise<Figures> {
  let before = process.cpuUsage();
  const { statuses, throughput } = await runClient(
    { url, picture, seconds: SECONDS, load: { clients: CLIENTS } },
    () => {
      before = process.cpuUsage();
    },
  );
  return { rate: throughput, core: coreTime(before) / statuses[200]! };
}

function coreTime(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

await library();
await service();
const ratios: Figures[] = [];
console.log(
  `${cpus().length} cores, ${bytes.length} bytes a picture, ${CLIENTS} at a time, ${clip.capabilities().dtype}`,
);
for (let round = 0; round < ROUNDS; round++) {
  const alone = await library();
  const served = await service();
  ratios.push({ rate: served.rate / alone.rate, core: alone.core / served.core });
  console.log(
    `library ${alone.rate.toFixed(1)}/s, ${alone.core.toFixed(1)} ms of a core; ` +
      `service ${served.rate.toFixed(1)}/s, ${served.core.toFixed(1)} ms of a core`,
  );
}
const percent = (key: keyof Figures) => (100 * median(ratios.map((ratio) => ratio[key]))).toFixed(1);
console.log(`the service has ${percent("rate")} % of the library's throughput, by time on cores ${percent("core")} %`);
await server.close();
await clip.close();

/** A photo-like JPEG of about `size` bytes. */
async function pictureOf(size: number): Promise<Buffer> {
  const [width, height] = [1024, 768];
  const noise = { type: "gaussian" as const, mean: 128, sigma: 12 };
  const image = await sharp({ create: { width, height, channels: 3, background: "grey", noise } })
    .blur(1)
    .png()
    .toBuffer();
  let best = Buffer.alloc(0);
  for (let quality = 20; quality <= 95; quality += 5) {
    const jpeg = await sharp(image).jpeg({ quality }).toBuffer();
    if (Math.abs(jpeg.length - size) < Math.abs(best.length - size)) best = jpeg;
  }
  return best;
}
