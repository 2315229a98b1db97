import assert from "node:assert/strict";
import { copyFileSync, cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { openCheckpoint } from "../../lib/checkpoint/directory.js";
import { openWeightsFile } from "../../lib/checkpoint/open.js";
import type { TensorSlice } from "../../lib/native/types.js";
import { createClipTokenizer } from "../../lib/text/clip-tokenizer.js";
import { editJson, fileOf, fixture, rejectsInvalid, temporaryDirectory } from "./support/checkpoint.js";

const openAi = (name: string) => fileURLToPath(new URL(`../fixtures/openai/${name}`, import.meta.url));
const reference: { texts: { text: string; ids: number[] }[] } = JSON.parse(
  readFileSync(openAi("reference.json"), "utf8"),
);

test("the sizes of OpenAI's model come from the shapes of its weights", async () => {
  const { description, spec, warnings } = await openWeightsFile(openAi("vit.pt"));
  assert.ok(description.architecture === "clip");
  const { logitScale, ...rest } = description;
  assert.ok(Math.abs(logitScale! - 50) < 1e-3);
  assert.deepEqual(rest, {
    formatVersion: 1,
    architecture: "clip",
    imageSize: 32,
    patchSize: 8,
    contextLength: 77,
    vocabularySize: 49408,
    startTokenId: 49406,
    endTokenId: 49407,
    padTokenId: 49407,
    weightsDtype: "float16",
    dimension: 24,
  });
  assert.deepEqual(warnings, []);
  const { vision_heads, vision_layers, text_heads, text_layers } = spec.ints;
  assert.deepEqual([vision_heads, vision_layers, text_heads, text_layers], [2, 1, 1, 2]);
  assert.equal(spec.bools.end_is_largest_id, true);
  assert.match(spec.source, /torch\.sigmoid\(1\.702/);
});

test("projections are transposed, and queries, keys and values taken apart, without being read", async () => {
  const { spec } = await openWeightsFile(openAi("vit.pt"));
  const slices = (name: string) => spec.parameters.find((parameter) => parameter.name === name)!.layers;
  assert.deepEqual(slices("vision_projection")[0]![0]!.shape, [24, 128]);
  const place = ({ shape, strides, storageOffset }: TensorSlice) => ({ shape, strides, storageOffset });
  // Every window of this tower moves by one element a row.
  assert.deepEqual(slices("vision_qkv_weight")[0]!.map(place), [
    { shape: [128, 128], strides: [1, 1], storageOffset: 0 },
    { shape: [128, 128], strides: [1, 1], storageOffset: 128 },
    { shape: [128, 128], strides: [1, 1], storageOffset: 256 },
  ]);
  const [query, key] = slices("text_qkv_weight")[1]!;
  assert.deepEqual([key!.offset - query!.offset, key!.byteLength, key!.strides], [64 * 64 * 2, 64 * 64 * 2, undefined]);
});

test("the tokenizer is the one of OpenAI, though the file does not hold it", async () => {
  const { extraFiles } = await openWeightsFile(openAi("vit.pt"));
  const tokenizer = createClipTokenizer(extraFiles["tokenizer.json"]!, extraFiles["tokenizer_config.json"]!, {
    contextLength: 77,
    padTokenId: 49407,
  });
  for (const { text, ids } of reference.texts) assert.deepEqual(tokenizer.encode(text), ids, text);
  // As published beside the models.
  assert.deepEqual(tokenizer.encode("a photo of a cat"), [49406, 320, 1125, 539, 320, 2368, 49407]);
});

test("a model of open_clip says in its configuration what its weights do not", async (t) => {
  const directory = temporaryDirectory(t);
  cpSync(openAi("open_clip"), directory, { recursive: true });
  const { description, spec, extraFiles } = await openCheckpoint(directory);
  assert.ok(description.architecture === "clip");
  assert.deepEqual([description.imageSize, description.dimension, spec.ints.vision_heads], [32, 24, 2]);
  assert.match(spec.source, /return torch\.gelu\(x\)/);
  const preprocessor = JSON.parse(extraFiles["preprocessor_config.json"]!);
  assert.deepEqual([preprocessor.size, preprocessor.resample], [{ shortest_edge: 32 }, 3]);

  const config = join(directory, "open_clip_config.json");
  type Config = Record<"model_cfg" | "preprocess_cfg", Record<string, Record<string, unknown> | unknown>>;
  const change = (edit: (config: Config) => void) => editJson(config, edit as (value: Record<string, unknown>) => void);
  change(({ model_cfg, preprocess_cfg }) => {
    model_cfg.quick_gelu = true;
    Object.assign(model_cfg.vision_cfg as object, { head_width: 32, patch_dropout: 0.5, no_ln_pre: false });
    Object.assign(preprocess_cfg, { resize_mode: "squash", interpolation: "bilinear", mean: [0.5, 0.5, 0.5] });
  });
  const other = await openCheckpoint(directory);
  assert.equal(other.spec.ints.vision_heads, 4);
  assert.match(other.spec.source, /torch\.sigmoid\(1\.702/);
  const { size, resample, do_center_crop, image_mean } = JSON.parse(other.extraFiles["preprocessor_config.json"]!);
  assert.deepEqual(
    [size, resample, do_center_crop, image_mean],
    [{ height: 32, width: 32 }, 2, false, [0.5, 0.5, 0.5]],
  );

  for (const [part, option, value] of [
    ["vision_cfg", "timm_model_name", "vit_base"],
    ["vision_cfg", "attentional_pool", true],
    ["text_cfg", "hf_tokenizer_name", "xlm-roberta-base"],
    ["text_cfg", "pool_type", "last"],
  ] as const) {
    change(({ model_cfg }) => Object.assign(model_cfg[part] as object, { [option]: value }));
    await rejectsInvalid(openCheckpoint(directory), new RegExp(`open_clip models with "${option}" are not supported`));
    change(({ model_cfg }) => delete (model_cfg[part] as Record<string, unknown>)[option]);
  }
  change(({ preprocess_cfg }) => Object.assign(preprocess_cfg, { resize_mode: "longest" }));
  await rejectsInvalid(openCheckpoint(directory), /"resize_mode".*longest/);
  rmSync(join(directory, "open_clip_pytorch_model.bin"));
  await rejectsInvalid(
    openCheckpoint(directory),
    /expected one of open_clip_model\.safetensors, open_clip_pytorch_model\.bin/,
  );
});

test("a repository with both formats is one of transformers", async (t) => {
  const directory = temporaryDirectory(t);
  cpSync(fixture("clip-legacy"), directory, { recursive: true });
  cpSync(openAi("open_clip"), directory, { recursive: true });
  assert.equal((await openCheckpoint(directory)).description.imageSize, 16);
  // A config.json without weights of its own is of no use.
  rmSync(join(directory, "model.safetensors"));
  assert.equal((await openCheckpoint(directory)).description.imageSize, 32);
});

test("weights of something else are refused with a sentence", async (t) => {
  await rejectsInvalid(openWeightsFile(openAi("resnet.pt")), /ResNet \(such as RN50\), which is not supported/);
  const file = join(temporaryDirectory(t), "model.safetensors");
  copyFileSync(fixture("clip-legacy/model.safetensors"), file);
  await rejectsInvalid(openWeightsFile(file), /names of Hugging Face transformers: load its directory/);
  await rejectsInvalid(openWeightsFile(fixture("tensors.bin")), /no tensor "visual\.conv1\.weight".*OpenAI's names/);
  await rejectsInvalid(openWeightsFile(fileOf(t, "text", "notes.pt")), /neither a zip archive nor a pickle/);
});
