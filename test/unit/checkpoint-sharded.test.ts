import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { readSafetensors } from "../../lib/checkpoint/weights/safetensors.js";
import { readSharded, shardNames } from "../../lib/checkpoint/weights/sharded.js";
import { copyOf, editJson, fixture, rejectsInvalid, valuesOf } from "./support/checkpoint.js";

const INDEX = "model.safetensors.index.json";

test("gives the same tensors as one file", async () => {
  const whole = await readSafetensors(fixture("clip-legacy/model.safetensors"));
  const sharded = await readSharded(fixture(`clip-sharded/${INDEX}`), readSafetensors);
  assert.deepEqual([...sharded.keys()].sort(), [...whole.keys()].sort());
  for (const [name, slice] of whole) assert.deepEqual(valuesOf(sharded.get(name)!), valuesOf(slice));
});

test("lists each shard once", async () => {
  const names = await shardNames(fixture(`clip-sharded/${INDEX}`));
  assert.deepEqual(names.sort(), ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]);
});

test("a missing shard is named", async (t) => {
  const directory = copyOf(t, "clip-sharded");
  rmSync(join(directory, "model-00002-of-00002.safetensors"));
  await rejectsInvalid(
    readSharded(join(directory, INDEX), readSafetensors),
    /"model-00002-of-00002.safetensors", which does not exist/,
  );
});

test("a tensor that is not where the index says is named", async (t) => {
  const directory = copyOf(t, "clip-sharded");
  editJson(join(directory, INDEX), (index) => {
    (index.weight_map as Record<string, string>).phantom = "model-00001-of-00002.safetensors";
  });
  await rejectsInvalid(readSharded(join(directory, INDEX), readSafetensors), /"phantom" is missing in/);
});

test("names that lead elsewhere are refused", async (t) => {
  const directory = copyOf(t, "clip-sharded");
  for (const name of [
    "../x",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "C:x",
    "..",
    ".",
    "",
    "x\0y",
    ".hidden",
    "x".repeat(256),
    7,
    null,
  ]) {
    editJson(join(directory, INDEX), (index) => {
      index.weight_map = { w: name };
    });
    await rejectsInvalid(readSharded(join(directory, INDEX), readSafetensors), /plain file name|expected a string/);
  }
});

test("an index without a map is refused", async (t) => {
  const directory = copyOf(t, "clip-sharded");
  for (const map of [undefined, [], {}, "x"]) {
    editJson(join(directory, INDEX), (index) => {
      index.weight_map = map;
    });
    await rejectsInvalid(readSharded(join(directory, INDEX), readSafetensors), /weight_map|lists no tensors/);
  }
  assert.ok(readFileSync(join(directory, INDEX)).length > 0);
});
