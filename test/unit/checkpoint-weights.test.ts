import assert from "node:assert/strict";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { openWeights, WeightTable } from "../../lib/checkpoint/weights/weights.js";
import type { TensorDtype } from "../../lib/native/types.js";
import { copyOf, fileOf, fixture, rejectsInvalid } from "./support/checkpoint.js";

test("takes the file that transformers would take", async (t) => {
  const directory = copyOf(t, "clip-sharded");
  const at = (name: string) => join(directory, name);
  assert.match((await openWeights(directory)).path, /model\.safetensors\.index\.json$/);
  writeFileSync(at("pytorch_model.bin"), "never opened");
  assert.match((await openWeights(directory)).path, /model\.safetensors\.index\.json$/);
  renameSync(at("model-00001-of-00002.safetensors"), at("model.safetensors"));
  assert.match((await openWeights(directory)).path, /model\.safetensors$/);
  rmSync(at("model.safetensors"));
  rmSync(at("model.safetensors.index.json"));
  await rejectsInvalid(openWeights(directory), /neither a zip archive nor a pickle/);
  rmSync(at("pytorch_model.bin"));
  await rejectsInvalid(openWeights(directory), /has no weights: expected one of model\.safetensors/);
});

test("says which tensor is wrong, what was expected and what was found", async () => {
  const weights = await openWeights(fixture("clip-legacy"));
  assert.equal(weights.require("visual_projection.weight", [10, 12]).dtype, "F32");
  const wrong = (name: string, shape: number[], message: RegExp) =>
    assert.throws(() => weights.require(name, shape), { code: "ERR_MODEL_INVALID", message });
  wrong("phantom", [1, 2], /"phantom" of shape \[1, 2\] is missing in .*model\.safetensors/);
  wrong("visual_projection.weight", [12, 10], /"visual_projection\.weight".* shape \[10, 12\].* \[12, 10\]/);
  wrong("visual_projection.weight", [120], /shape \[10, 12\]/);
});

test("whole numbers are not weights", async () => {
  const weights = await openWeights(fixture("clip-end-id"));
  assert.throws(() => weights.require("text_model.embeddings.position_ids", [1, 12]), { message: /I64.*quantized/ });
});

test("reads single numbers of every kind", async (t) => {
  const cases: [TensorDtype, Buffer, number][] = [
    ["F64", Buffer.from(new Float64Array([4.6052]).buffer), 4.6052],
    ["F32", Buffer.from(new Float32Array([4.6052]).buffer), Math.fround(4.6052)],
    ["BF16", Buffer.from([0x93, 0x40]), 4.59375],
    ["F16", Buffer.from([0x9b, 0x44]), 4.60546875],
    ["F16", Buffer.from([0x01, 0x80]), -(2 ** -24)],
    ["F16", Buffer.from([0x00, 0x7c]), Number.POSITIVE_INFINITY],
    ["F16", Buffer.from([0x01, 0x7c]), Number.NaN],
  ];
  for (const [dtype, bytes, expected] of cases) {
    const file = fileOf(t, Buffer.concat([Buffer.alloc(3), bytes]));
    for (const shape of [[], [1]]) {
      const weights = new WeightTable(
        new Map([["x", { file, offset: 3, byteLength: bytes.length, dtype, shape }]]),
        file,
      );
      assert.equal(await weights.scalar("x"), expected);
    }
    assert.equal(await new WeightTable(new Map(), file).scalar("x"), undefined);
  }
});

test("a number with more than one element is refused", async () => {
  const weights = await openWeights(fixture("clip-legacy"));
  await rejectsInvalid(weights.scalar("visual_projection.weight"), /shape \[10, 12\]/);
});

test("compares tensors by their bytes", async (t) => {
  const file = fileOf(t, Buffer.from([1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 5]));
  const weights = new WeightTable(new Map(), file);
  const at = (offset: number) => ({ file, offset, byteLength: 4, dtype: "F32" as const, shape: [1] });
  assert.equal(await weights.same(at(0), at(0)), true);
  assert.equal(await weights.same(at(0), at(4)), true);
  assert.equal(await weights.same(at(0), at(8)), false);
  assert.equal(await weights.same(at(0), { ...at(4), byteLength: 2 }), false);
});
