import assert from "node:assert/strict";
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type TestContext, test } from "vitest";
import { parseDescription } from "../../lib/checkpoint/description.js";
import { openCheckpoint } from "../../lib/checkpoint/directory.js";
import { readPreprocessorConfig } from "../../lib/checkpoint/preprocessor-config.js";
import { readSentencePiece } from "../../lib/checkpoint/tokenizers/sentencepiece.js";
import { readSiglipVocabulary } from "../../lib/checkpoint/tokenizers/siglip.js";
import {
  editJson,
  openClip,
  rejectsInvalid,
  renameTensors,
  survivesDamage,
  temporaryDirectory,
} from "./support/checkpoint.js";

const siglip = (name: string) => fileURLToPath(new URL(`../fixtures/siglip/${name}`, import.meta.url));

function copyOf(t: TestContext, name: string): string {
  const directory = join(temporaryDirectory(t), name);
  cpSync(siglip(name), directory, { recursive: true });
  return directory;
}

test("a SigLIP checkpoint", async () => {
  const { description, spec, extraFiles, warnings } = await openClip(siglip("siglip"));
  const { logitScale, ...rest } = description;
  assert.ok(Math.abs(logitScale! - 12) < 1e-5);
  assert.deepEqual(rest, {
    formatVersion: 1,
    architecture: "siglip",
    imageSize: 20,
    patchSize: 4,
    contextLength: 64,
    vocabularySize: 1600,
    endTokenId: 1,
    padTokenId: 1,
    weightsDtype: "float32",
    dimension: 16,
    logitBias: -3.5,
  });
  assert.deepEqual(warnings, []);
  assert.deepEqual(spec.bools, { vision_causal: false, text_causal: false });
  assert.equal(spec.ints.summary_tokens, 0);
  assert.match(spec.source, /approximate="tanh"/);
  assert.deepEqual(parseDescription(extraFiles["clip-blip.json"]!), description);
  assert.equal(JSON.parse(extraFiles["tokenizer.json"]!).model.type, "Unigram");
});

test("SigLIP 2 has a tokenizer of another kind", async () => {
  const { description, extraFiles } = await openClip(siglip("siglip2"));
  assert.deepEqual([description.endTokenId, description.padTokenId], [1, 0]);
  const saved = JSON.parse(readFileSync(siglip("siglip2/tokenizer.json"), "utf8"));
  const { normalizer, post_processor, added_tokens, model } = JSON.parse(extraFiles["tokenizer.json"]!);
  assert.deepEqual(normalizer, saved.normalizer);
  assert.deepEqual(post_processor, saved.post_processor);
  assert.deepEqual(added_tokens, saved.added_tokens);
  assert.deepEqual(model.vocab, saved.model.vocab);
});

test("the halves, with the names of transformers 4 and of 5", async (t) => {
  for (const [name, prefix] of [
    ["siglip-vision", "vision_model."],
    ["siglip-text", "text_model."],
  ] as const) {
    const directory = copyOf(t, name);
    const { description } = await openClip(directory);
    assert.equal(description.dimension, 16);
    assert.equal(description.logitScale, undefined);
    assert.equal(description.imageSize, name === "siglip-vision" ? 20 : undefined);
    assert.equal(description.contextLength, name === "siglip-vision" ? undefined : 64);
    renameTensors(join(directory, "model.safetensors"), (name) => prefix + name);
    assert.deepEqual((await openClip(directory)).description, description);
  }
});

test("what cannot be run is refused with a sentence", async (t) => {
  const directory = copyOf(t, "siglip");
  const config = join(directory, "config.json");
  const whole = readFileSync(config);
  type Config = Record<"text_config" | "vision_config", Record<string, unknown>> & Record<string, unknown>;
  const refuses = async (edit: (config: Config) => void, message: RegExp) => {
    editJson(config, edit as (value: Record<string, unknown>) => void);
    await rejectsInvalid(openCheckpoint(directory), message);
    writeFileSync(config, whole);
  };
  await refuses(({ vision_config }) => (vision_config.vision_use_head = false), /vision_use_head is false/);
  await refuses(
    ({ text_config }) => (text_config.projection_size = 12),
    /pictures have 16 numbers but those of texts 12|shape/,
  );
  await refuses((json) => (json.model_type = "siglip2"), /"siglip2".*not supported.*SigLIP 2 with a fixed image size/);
  await refuses((json) => (json.architectures = ["SiglipForImageClassification"]), /not supported/);

  const preprocessor = join(directory, "preprocessor_config.json");
  const text = JSON.stringify({ image_processor_type: "Siglip2ImageProcessorFast", patch_size: 16 });
  writeFileSync(preprocessor, text);
  assert.throws(() => readPreprocessorConfig(text, "siglip", 20), { code: "ERR_MODEL_INVALID", message: /NaFlex/ });
});

test("a tokenizer that asks for an attention mask is warned of", async (t) => {
  const directory = copyOf(t, "siglip");
  for (const names of [undefined, ["input_ids", "attention_mask"]]) {
    editJson(join(directory, "tokenizer_config.json"), (config) => {
      config.model_input_names = names;
    });
    const { warnings } = await openCheckpoint(directory);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /attention mask.*"model_input_names": \["input_ids"\]/);
  }
});

test("spiece.model goes before tokenizer.json, and either will do", async (t) => {
  const directory = copyOf(t, "siglip");
  const made = (await openCheckpoint(directory)).extraFiles["tokenizer.json"]!;
  writeFileSync(join(directory, "tokenizer.json"), '{"not": "looked at"}');
  assert.equal((await openCheckpoint(directory)).extraFiles["tokenizer.json"], made);
  writeFileSync(join(directory, "tokenizer.json"), made);
  renameSync(join(directory, "spiece.model"), join(directory, "elsewhere"));
  assert.equal((await openCheckpoint(directory)).extraFiles["tokenizer.json"], made);
  rmSync(join(directory, "tokenizer.json"));
  await rejectsInvalid(openCheckpoint(directory), /neither spiece\.model nor tokenizer\.json/);
});

test("other kinds of SentencePiece models are refused, and damaged ones", async (t) => {
  const bytes = readFileSync(siglip("siglip/spiece.model"));
  assert.equal(readSentencePiece(bytes).pieces.length, 1500);
  assert.deepEqual(
    readSentencePiece(bytes)
      .pieces.slice(0, 3)
      .map(({ text }) => text),
    ["<pad>", "</s>", "<unk>"],
  );
  const message = (field: number, contents: number[]) => [(field << 3) | 2, contents.length, ...contents];
  const refuses = (more: number[], text: RegExp) =>
    assert.throws(() => readSiglipVocabulary(Buffer.concat([bytes, Buffer.from(more)])), {
      code: "ERR_MODEL_INVALID",
      message: text,
    });
  // Later fields of a message go before earlier ones: another kind of model, no blank in front, a piece for a byte.
  refuses(message(2, [3 << 3, 2]), /not of SigLIP's kind/);
  refuses(message(3, [3 << 3, 0]), /not of SigLIP's kind/);
  refuses(message(1, [...message(1, [0x3c]), 3 << 3, 6]), /not of SigLIP's kind/);
  refuses(message(1, []), /damaged/);
  assert.throws(() => readSiglipVocabulary(Buffer.alloc(0)), /not a SentencePiece model/);
  const build = async (path: string) => readSiglipVocabulary(readFileSync(path));
  await survivesDamage(t, bytes.subarray(0, 20_000), "spiece.model", build, { rounds: 200, region: [0, 20_000] });
});

test("pictures are squashed to the model's size, with SigLIP's own means", () => {
  const plan = readPreprocessorConfig(
    JSON.stringify({ image_processor_type: "SiglipImageProcessor", size: { height: 384, width: 384 }, resample: 2 }),
    "siglip",
    384,
  );
  assert.deepEqual(plan.resize, { resize: { height: 384, width: 384 }, resample: "bilinear", crop: null });
  assert.deepEqual(plan.normalize, { scale: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] });
  assert.deepEqual(readPreprocessorConfig("{}", "siglip", 224).resize, {
    resize: { height: 224, width: 224 },
    resample: "bicubic",
    crop: null,
  });
});
