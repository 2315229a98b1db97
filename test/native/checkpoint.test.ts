import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { parseDescription } from "../../lib/checkpoint/description.js";
import { openCheckpoint } from "../../lib/checkpoint/directory.js";
import { readTorchBin } from "../../lib/checkpoint/weights/torch-bin.js";
import { native } from "../../lib/native/instance.js";
import type { ModelDtype, ModuleHandle, PixelBatch, Prompt } from "../../lib/native/types.js";
import { CPU, GREEDY, RUN, readerSpec, temporaryFolder } from "./helpers.js";

const FIXTURES = fileURLToPath(new URL("../fixtures/checkpoint/", import.meta.url));

/** What transformers computes: see make_fixtures.py. */
interface ClipReference {
  pixels: string[];
  ids: number[][];
  imageEmbeddings: number[][];
  textEmbeddings: number[][];
  logitScale: number;
  /** Pictures of other sizes than the checkpoint's. */
  interpolated: { imageSize: number; pixels: string[]; imageEmbeddings: number[][] }[];
}

interface BlipReference {
  pixels: string[];
  maxLength: number;
  promptsPerPicture: number;
  captions: { prompt: number[]; ids: number[]; logProbability: number }[];
}

const reference = JSON.parse(readFileSync(join(FIXTURES, "reference.json"), "utf8"));

function pictures(pixels: string[], imageSize = 16): PixelBatch {
  return {
    pixels: pixels.map((text) => new Uint8Array(Buffer.from(text, "base64"))),
    height: imageSize,
    width: imageSize,
    normalize: {
      scale: 1 / 255,
      mean: [0.48145466, 0.4578275, 0.40821073],
      std: [0.26862954, 0.26130258, 0.27577711],
    },
  };
}

async function build(name: string, dtype?: ModelDtype): Promise<ModuleHandle> {
  const { spec } = await openCheckpoint(join(FIXTURES, name));
  return native().buildModule(spec, { ...CPU, dtype });
}

/** Largest difference between rows in one array and rows of their own. */
function difference(data: Float32Array, rows: number[][]): number {
  const expected = rows.flat();
  assert.equal(data.length, expected.length);
  return Math.max(...expected.map((value, i) => Math.abs(value - data[i]!)));
}

async function clipDifferences(
  module: ModuleHandle,
  { pixels, ids, ...rows }: ClipReference,
): Promise<[number, number]> {
  const images = await native().encodeImages(module, pictures(pixels), false, RUN);
  const texts = await native().encodeTexts(module, Int32Array.from(ids.flat()), ids.length, false, RUN);
  return [difference(images.data, rows.imageEmbeddings), difference(texts.data, rows.textEmbeddings)];
}

for (const name of ["clip-legacy", "clip-sharded", "clip-end-id"]) {
  const expected: ClipReference = reference[name === "clip-sharded" ? "clip-legacy" : name];

  test(`${name}: float32 embeddings are those of transformers`, async (t) => {
    const differences = await clipDifferences(await build(name, "float32"), expected);
    t.annotate(`largest differences: images ${differences[0]}, texts ${differences[1]}`);
    for (const value of differences) assert.ok(value < 2e-6, `${value}`);
    const { description } = await openCheckpoint(join(FIXTURES, name));
    assert.ok(description.architecture === "clip");
    assert.ok(Math.abs(description.logitScale! - expected.logitScale) < 1e-4 * expected.logitScale);
  });

  for (const dtype of ["bfloat16", "float16"] as const) {
    test(`${name}: ${dtype} embeddings are close`, async () => {
      const tolerance = dtype === "bfloat16" ? 0.1 : 0.01;
      for (const value of await clipDifferences(await build(name, dtype), expected))
        assert.ok(value < tolerance, `${value}`);
    });
  }
}

for (const name of ["clip-legacy", "clip-end-id"]) {
  test(`${name}: pictures of other sizes are embedded as transformers does with interpolated positions`, async (t) => {
    const { interpolated }: ClipReference = reference[name];
    const module = await build(name, "float32");
    for (const { imageSize, pixels, imageEmbeddings } of interpolated) {
      const { data } = await native().encodeImages(module, pictures(pixels, imageSize), false, RUN);
      const largest = difference(data, imageEmbeddings);
      t.annotate(`${imageSize} pixels: largest difference ${largest}`);
      assert.ok(largest < 2e-6, `${imageSize} pixels: ${largest}`);
    }
  });
}

test("the halves of a CLIP embed as the whole does", async () => {
  const { pixels, ids, imageEmbeddings, textEmbeddings }: ClipReference = reference["clip-legacy"];
  const images = await native().encodeImages(await build("clip-vision"), pictures(pixels), false, RUN);
  assert.ok(difference(images.data, imageEmbeddings) < 2e-6);
  const texts = await native().encodeTexts(
    await build("clip-text"),
    Int32Array.from(ids.flat()),
    ids.length,
    false,
    RUN,
  );
  assert.ok(difference(texts.data, textEmbeddings) < 2e-6);
});

for (const name of ["blip", "blip-untied"]) {
  const { pixels, maxLength, promptsPerPicture, captions }: BlipReference = reference[name];
  const { description } = await openCheckpoint(join(FIXTURES, name));
  assert.ok(description.architecture === "blip");
  const { endTokenId, padTokenId } = description;
  const search = { ...GREEDY, endTokenId, padTokenId };
  const toPrompt = ({ prompt }: { prompt: number[] }): Prompt => ({
    ids: Int32Array.from(prompt),
    maxLength,
    minLength: 0,
    seed: 0,
  });

  test(`${name}: greedy captions are those of transformers, token for token`, async () => {
    const module = await build(name, "float32");
    for (let prompt = 0; prompt < promptsPerPicture; prompt++) {
      const expected = captions.filter((_, index) => index % promptsPerPicture === prompt);
      const prompts = expected.map(toPrompt);
      const result = await native().caption(module, pictures(pixels), prompts, search, RUN);
      for (const [row, { prompt: begun, ids, logProbability }] of expected.entries()) {
        assert.deepEqual([...result.sequences[row]!], ids);
        const written = ids.length - begun.length;
        assert.ok(Math.abs(result.scores[row]! - logProbability / written) < 1e-4);
      }
    }
  });

  test(`${name}: prompts of different lengths in one batch change nothing`, async () => {
    const module = await build(name, "float32");
    const batch = pictures(pixels.flatMap((picture) => Array<string>(promptsPerPicture).fill(picture)));
    const prompts = captions.map(toPrompt);
    const result = await native().caption(module, batch, prompts, search, RUN);
    assert.deepEqual(
      result.sequences.map((row) => [...row]),
      captions.map(({ ids }) => ids),
    );
  });
}

test("an archive gives the same as the checkpoint that it was made from", async () => {
  const path = join(temporaryFolder(), "clip.pt");
  const checkpoint = await openCheckpoint(join(FIXTURES, "clip-end-id"));
  await native().saveModule(await native().buildModule(checkpoint.spec, CPU), path, checkpoint.extraFiles);
  const extra = await native().readExtraFiles(path, ["clip-blip.json", "tokenizer.json"]);
  assert.deepEqual(parseDescription(extra["clip-blip.json"]!), checkpoint.description);
  assert.equal(extra["tokenizer.json"], checkpoint.extraFiles["tokenizer.json"]);
  const module = await native().loadModule(path, { ...CPU, dtype: "float32" });
  for (const value of await clipDifferences(module, reference["clip-end-id"])) assert.ok(value < 2e-6, `${value}`);
});

test("views and transposed tensors arrive as they are meant", async () => {
  const expected: Record<string, { shape: number[]; values: number[] }> = JSON.parse(
    readFileSync(join(FIXTURES, "tensors.json"), "utf8"),
  );
  const tensors = await readTorchBin(join(FIXTURES, "tensors.bin"));
  for (const name of [
    "transposed",
    "view",
    "rows",
    "every_second",
    "scalar",
    "parameter",
    "double",
    "half",
    "bfloat16",
  ]) {
    const spec = readerSpec({ name: "w", layers: [[tensors.get(name)!]], stacked: false });
    const module = await native().buildModule(spec, CPU);
    const { data } = await native().encodeTexts(module, Int32Array.from([0]), 1, false, RUN);
    assert.deepEqual([...data], expected[name]!.values.map(Math.fround), name);
  }
});
