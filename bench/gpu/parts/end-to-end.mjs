// How much of what decoding alone reaches is left when the vectors are made too. The pool has a thread a core for both.
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { ClipModel } from "clip-blip";
import { decode } from "../../common/internals.mjs";
import { photoFiles } from "../../common/pictures.mjs";
import { median } from "../../common/statistics.mjs";
import { inputsOf } from "../inputs.mjs";
import { figure, settings } from "../settings.mjs";

const ROUNDS = 3;

const told = settings();
const files = await photoFiles(join(told.work, "pictures"), { width: 640, height: 480, count: 25 });
const { directory } = await inputsOf("clip-b32", told);
const clip = await ClipModel.load(directory, { device: told.device });

/** The files over and over, until the time is up. */
function* endless(end) {
  for (let index = 0; performance.now() < end; index++) yield files[index % files.length];
}

async function rate(work) {
  const started = performance.now();
  const items = await work(endless(started + 1000 * told.seconds * 2));
  return (1000 * items) / (performance.now() - started);
}

async function decodeAll(source) {
  let items = 0;
  const lane = async () => {
    for (const file of source) {
      await decode(file);
      items += 1;
    }
  };
  // A generator that one lane leaves by `return` would end for all: none of them does.
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  return items;
}

async function embedAll(source) {
  let items = 0;
  for await (const result of clip.encodeImageStream(source)) {
    if ("error" in result) throw result.error;
    items += 1;
  }
  return items;
}

await rate(embedAll);
const rates = { decode: [], embed: [] };
for (let round = 0; round < ROUNDS; round++) {
  rates.decode.push(await rate(decodeAll));
  rates.embed.push(await rate(embedAll));
}
figure({
  kind: "end-to-end",
  model: "clip-b32",
  decodePerSecond: median(rates.decode),
  embedPerSecond: median(rates.embed),
  share: median(rates.embed.map((value, round) => value / rates.decode[round])),
  cores: availableParallelism(),
});
await clip.close();
