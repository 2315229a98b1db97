import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, test } from "vitest";
import { native } from "../../lib/native/instance.js";
import type { ModuleHandle } from "../../lib/native/types.js";
import { Checkpoint, CPU, RUN, rejects, temporaryFolder, tinyClipSpec } from "./helpers.js";

const folder = temporaryFolder();
const archive = join(folder, "model.pt");
const extraFiles = { "clip-blip.json": '{"a":"ä 漢字 🎈"}', "folder/tokenizer.json": "x".repeat(100_000), empty: "" };
let module: ModuleHandle;

beforeAll(async () => {
  module = await native().buildModule(tinyClipSpec(new Checkpoint(join(folder, "weights"))), CPU);
  await native().saveModule(module, archive, extraFiles);
});

async function texts(handle: ModuleHandle): Promise<number[]> {
  return [...(await native().encodeTexts(handle, Int32Array.of(0, 1), 1, false, RUN)).data];
}

test("what is saved loads and computes the same", async () => {
  const loaded = await native().loadModule(archive, CPU);
  assert.deepEqual(await texts(loaded), await texts(module));
  assert.equal(native().moduleBytes(loaded), native().moduleBytes(module));
  const half = await native().loadModule(archive, { device: "cpu", dtype: "bfloat16" });
  assert.equal(native().moduleBytes(half), native().moduleBytes(module) / 2);
  assert.deepEqual(await texts(half), await texts(module));
});

test("a loaded module can be saved again", async () => {
  const again = join(folder, "again.pt");
  await native().saveModule(await native().loadModule(archive, CPU), again, {});
  assert.deepEqual(await texts(await native().loadModule(again, CPU)), await texts(module));
});

test("extra files are read without the module", async () => {
  const { readExtraFiles } = native();
  assert.deepEqual(await readExtraFiles(archive, [...Object.keys(extraFiles), "absent.json"]), extraFiles);
  assert.deepEqual(await readExtraFiles(archive, []), {});
  await rejects(readExtraFiles(join(folder, "missing.pt"), ["a"]), "IO", /missing\.pt/);
  await rejects(readExtraFiles(folder, ["a"]), "IO");
  await rejects(native().loadModule(join(folder, "missing.pt"), CPU), "IO", /missing\.pt/);
});

test("an archive appears whole or not at all, and nothing stays beside it", async () => {
  const place = join(folder, "place");
  mkdirSync(place);
  const target = join(place, "model.pt");
  writeFileSync(target, "before");
  await native().saveModule(module, target, extraFiles);
  assert.deepEqual(readdirSync(place), ["model.pt"]);
  assert.deepEqual(await native().readExtraFiles(target, ["empty"]), { empty: "" });

  await rejects(native().saveModule(module, join(folder, "no", "model.pt"), {}), "IO", /No such file/);
  mkdirSync(join(place, "folder.pt"));
  writeFileSync(join(place, "folder.pt", "full"), "");
  await rejects(native().saveModule(module, join(place, "folder.pt"), {}), "IO");
  assert.deepEqual(readdirSync(place).sort(), ["folder.pt", "model.pt"]);
});

test("truncated archives are refused", async () => {
  const whole = readFileSync(archive);
  const cut = join(folder, "cut.pt");
  for (const part of [0, 1, 3, 100, 0.25, 0.5, 0.75, 0.9, 0.99]) {
    const length = part >= 1 || part === 0 ? part : Math.floor(whole.length * part);
    writeFileSync(cut, whole.subarray(0, length));
    await rejects(native().loadModule(cut, CPU), "MODEL_INVALID", /cut\.pt/);
    await rejects(native().readExtraFiles(cut, ["clip-blip.json"]), "MODEL_INVALID", /cut\.pt/);
  }
  writeFileSync(cut, whole.subarray(0, whole.length - 1));
  await rejects(native().loadModule(cut, CPU), "MODEL_INVALID", /cut\.pt/);
});

test("files that are no archives are refused", async () => {
  const other = join(folder, "other.pt");
  const noise = Buffer.alloc(5000);
  for (let i = 0; i < noise.length; i++) noise[i] = Math.imul(i + 1, 2654435761) >>> 24;
  for (const content of [noise, Buffer.from("not an archive"), Buffer.concat([Buffer.from("PK\x03\x04"), noise])]) {
    writeFileSync(other, content);
    await rejects(native().loadModule(other, CPU), "MODEL_INVALID");
    await rejects(native().readExtraFiles(other, ["a"]), "MODEL_INVALID");
  }
});

test("an archive that quotes a device's error is refused like any other", async () => {
  for (const words of ["CUDA error: an illegal memory access was encountered", "CUDA out of memory"]) {
    const quoting = join(folder, `${words}.pt`);
    await native().saveModule(module, quoting, extraFiles);
    // Its records lie in a folder of the archive's name. One is moved to another, and LibTorch's message names both.
    const content = readFileSync(quoting, "latin1").replaceAll(/\.pt(?=[^/]*\/extra\/empty)/g, ".px");
    writeFileSync(quoting, content, "latin1");
    const reason = new RegExp(`not in a subdirectory ${words}`);
    await rejects(native().readExtraFiles(quoting, ["empty"]), "MODEL_INVALID", reason);
    await rejects(native().loadModule(quoting, CPU), "MODEL_INVALID", reason);
  }
});
