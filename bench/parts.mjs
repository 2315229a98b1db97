// npm run bench: what each step on the way from a file to a vector or a caption takes on this machine.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BlipModel, ClipModel } from "clip-blip";
import { Bench } from "tinybench";
import { openClipParts } from "./common/internals.mjs";
import { describeMachine, machine } from "./common/machine.mjs";
import { short } from "./common/numbers.mjs";
import { photoFiles } from "./common/pictures.mjs";
import { table } from "./common/table.mjs";
import { addCaptionParts } from "./parts/caption.mjs";
import { addPreparationParts } from "./parts/preparation.mjs";
import { addVectorParts, productRate } from "./parts/vectors.mjs";

const USAGE = `npm run bench -- [options]

  --clip SOURCE   a checkpoint folder, an archive or "demo" (default: CLIP_MODEL, else demo)
  --blip SOURCE   likewise (default: BLIP_MODEL, else demo)
  --device D      auto, cpu, cuda, … (default: auto)
  --dtype T       auto, float32, bfloat16 or float16 (default: auto)
  --time MS       for each part (default: 1000)
  --quick         a few runs of each part, and no large picture
  --json FILE     writes the figures there too
`;

const { values: flags } = parseArgs({
  options: {
    clip: { type: "string", default: process.env.CLIP_MODEL || "demo" },
    blip: { type: "string", default: process.env.BLIP_MODEL || "demo" },
    device: { type: "string", default: "auto" },
    dtype: { type: "string", default: "auto" },
    time: { type: "string", default: "1000" },
    quick: { type: "boolean" },
    json: { type: "string" },
    help: { type: "boolean" },
  },
});

async function main() {
  const folder = mkdtempSync(join(tmpdir(), "clip-blip-bench-"));
  const { clip, blip, device, dtype, quick } = flags;
  // tinybench goes on until both the time and the number of runs are reached.
  const time = quick ? 50 : Number(flags.time);
  const bench = new Bench({
    time,
    iterations: quick ? 3 : 10,
    warmupTime: time / 4,
    warmupIterations: 2,
    throws: true,
  });
  try {
    const photos = await photoFiles(folder, { width: 640, height: 480, count: 8 });
    const large = quick ? [] : await photoFiles(folder, { width: 4000, height: 3000, count: 1 });
    const model = await ClipModel.load(clip, { device, dtype });
    // What "auto" became.
    const parts = await openClipParts(clip, model.capabilities());
    const captioner = await BlipModel.load(blip, { device, dtype });
    await addPreparationParts(bench, parts, { photo: photos[0], large: large[0] });
    addVectorParts(bench, parts, model, photos);
    const derived = addCaptionParts(bench, captioner, photos);
    await bench.run();
    report(bench, model.capabilities(), derived());
    for (const one of [parts, model, captioner]) await one.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Items of a part's run, from its name: "forward, batch 8". */
const itemsOf = (name) => Number(/, batch (\d+)/.exec(name)?.[1] ?? 1);

function report(bench, { device, dtype, libtorch }, derived) {
  const parts = [
    ...bench.tasks.map(({ name, result }) => ({
      name,
      items: itemsOf(name),
      median: result.latency.p50,
      p75: result.latency.p75,
      runs: result.latency.samplesCount,
    })),
    ...derived,
  ];
  const here = machine();
  const settings = { clip: flags.clip, blip: flags.blip, device, dtype, libtorch };
  console.log(`${describeMachine(here)}; Node ${here.node}`);
  console.log(`CLIP ${settings.clip}, BLIP ${settings.blip}, ${device}, ${dtype}, LibTorch ${libtorch}\n`);
  const rows = parts.map(({ name, items, median, p75, runs }) => [
    name,
    short(median),
    p75 === undefined ? "" : short(p75),
    short((1000 * items) / median),
    runs ?? "",
  ]);
  console.log(table([["part", "median ms", "p75 ms", "items/s", "runs"], ...rows], ["l", "r", "r", "r", "r"]));
  const gigaflops = productRate(bench);
  console.log(`\nMatrix products: ${short(gigaflops)} GFLOP/s in ${dtype}`);
  const figures = { machine: here, settings, gigaflops, parts };
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify(figures, null, 2)}\n`);
}

if (flags.help) process.stdout.write(USAGE);
else await main();
