import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { isHubId } from "../../lib/hub/hub.js";
import { locateModel } from "../../lib/hub/source.js";
import { fileOf, fixture, rejectsWith, temporaryDirectory } from "./support/checkpoint.js";

test("a file is an archive where it says so, else weights; a directory is a checkpoint", async (t) => {
  const file = fileOf(t, "x", "model.pt");
  assert.deepEqual(await locateModel(file), { kind: "weights", path: file });
  const openAi = fileURLToPath(new URL("../fixtures/openai/vit.pt", import.meta.url));
  assert.deepEqual(await locateModel(openAi), { kind: "weights", path: openAi });
  assert.deepEqual(await locateModel(fixture("blip")), { kind: "directory", path: fixture("blip") });
});

test("what exists on disk goes before the hub", async (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, "org", "name"), { recursive: true });
  const before = process.cwd();
  process.chdir(directory);
  t.onTestFinished(() => process.chdir(before));
  assert.deepEqual(await locateModel("org/name"), { kind: "directory", path: "org/name" });
});

test("what cannot be on the hub is not looked for there", async () => {
  for (const source of [
    "./nothing",
    "/no/such/file.pt",
    "nothing",
    "a/b/c",
    "../x/y",
    "models/clip.pt",
    "a\\b",
    "~/x",
    "org/",
    "/name",
    "x y/z",
    "org/..",
    "-/--",
  ]) {
    assert.equal(isHubId(source), false, source);
    await rejectsWith(
      "ERR_MODEL_NOT_FOUND",
      locateModel(source),
      /There is no file or directory ".*", and it is not a hub id/,
    );
  }
});

test("ids of the hub", () => {
  for (const id of [
    "openai/clip-vit-base-patch32",
    "Salesforce/blip-image-captioning-base",
    "a/b",
    "laion/CLIP-ViT-H-14_x.y",
  ]) {
    assert.equal(isHubId(id), true, id);
  }
});
