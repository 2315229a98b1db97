import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { openCheckpoint } from "../../lib/checkpoint/directory.js";
import { copyOf, fixture, rejectsInvalid, renameTensors, temporaryDirectory } from "./support/checkpoint.js";

test("processor_config.json with an image processor wins over preprocessor_config.json, as in transformers", async (t) => {
  const directory = copyOf(t, "clip-legacy");
  const read = async () => JSON.parse((await openCheckpoint(directory)).extraFiles["preprocessor_config.json"]!);
  const own = await read();
  const processor = join(directory, "processor_config.json");
  writeFileSync(processor, JSON.stringify({ processor_class: "CLIPProcessor" }));
  assert.deepEqual(await read(), own);
  const nested = { ...own, image_mean: [0.1, 0.2, 0.3] };
  writeFileSync(processor, JSON.stringify({ image_processor: nested, processor_class: "CLIPProcessor" }));
  assert.deepEqual(await read(), nested);
});

test("modules around the model that its tensors were saved with are left out, and said", async (t) => {
  const directory = copyOf(t, "clip-legacy");
  const path = join(directory, "model.safetensors");
  const whole = readFileSync(path);
  const { spec, warnings } = await openCheckpoint(directory);
  assert.deepEqual(warnings, []);
  for (const prefix of ["clip.", "module.", "model.", "base_model.model.clip.", "model.model."]) {
    writeFileSync(path, whole);
    renameTensors(path, (name) => prefix + name);
    const other = await openCheckpoint(directory);
    assert.equal(other.spec.source, spec.source);
    assert.deepEqual(Object.keys(other.spec.parameters), Object.keys(spec.parameters));
    assert.equal(other.warnings.length, 1);
    assert.ok(other.warnings[0]!.startsWith(`All tensors in ${path} have the prefix "${prefix}", which was left out.`));
  }
  // Not all of them: what else the file contains is not known.
  writeFileSync(path, whole);
  renameTensors(path, (name) => (name === "logit_scale" ? name : `clip.${name}`));
  await rejectsInvalid(openCheckpoint(directory), /is missing in/);
});

test("a prefix is left out of sharded weights, too", async (t) => {
  const directory = copyOf(t, "clip-sharded");
  const index = join(directory, "model.safetensors.index.json");
  const json = JSON.parse(readFileSync(index, "utf8"));
  const shards = new Set(Object.values<string>(json.weight_map));
  for (const shard of shards) renameTensors(join(directory, shard), (name) => `module.${name}`);
  json.weight_map = Object.fromEntries(Object.entries(json.weight_map).map(([name, file]) => [`module.${name}`, file]));
  writeFileSync(index, JSON.stringify(json));
  const { warnings } = await openCheckpoint(directory);
  assert.match(warnings.join(), /have the prefix "module\."/);
});

test("a directory of sentence-transformers", async (t) => {
  const directory = temporaryDirectory(t);
  cpSync(fixture("clip-legacy"), join(directory, "0_CLIPModel"), { recursive: true });
  const clip = { idx: 0, name: "0", path: "0_CLIPModel", type: "sentence_transformers.models.CLIPModel" };
  const modules = (list: unknown) => writeFileSync(join(directory, "modules.json"), JSON.stringify(list));
  const expected = await openCheckpoint(fixture("clip-legacy"));
  for (const list of [
    [clip],
    [{ ...clip, type: "sentence_transformers.sentence_transformer.modules.clip_model.CLIPModel" }],
    [clip, { idx: 1, name: "1", path: "1_Normalize", type: "sentence_transformers.models.Normalize" }],
  ]) {
    modules(list);
    assert.deepEqual((await openCheckpoint(directory)).description, expected.description);
  }
  modules([clip, { idx: 1, name: "1", path: "1_Dense", type: "sentence_transformers.models.Dense" }]);
  await rejectsInvalid(openCheckpoint(directory), /a module "Dense" after the CLIP/);
  modules([{ ...clip, path: "../elsewhere" }]);
  await rejectsInvalid(openCheckpoint(directory), /not a plain folder name/);
  modules({ not: "a list" });
  await rejectsInvalid(openCheckpoint(directory), /has no config\.json/);

  // The newer layout has the files of transformers beside modules.json.
  cpSync(fixture("clip-legacy"), directory, { recursive: true });
  modules([{ ...clip, path: "" }]);
  assert.deepEqual((await openCheckpoint(directory)).description, expected.description);
});

test("an adapter without its base model", async (t) => {
  const directory = copyOf(t, "blip");
  writeFileSync(join(directory, "adapter_config.json"), '{"peft_type": "LORA"}');
  assert.equal((await openCheckpoint(directory)).description.architecture, "blip");
  rmSync(join(directory, "model.safetensors"));
  await rejectsInvalid(openCheckpoint(directory), /adapter_config\.json.*merge it into its base model first/);
  const alone = join(temporaryDirectory(t), "adapter");
  mkdirSync(alone);
  writeFileSync(join(alone, "adapter_config.json"), "{}");
  await rejectsInvalid(openCheckpoint(alone), /merge it into its base model first/);
});
