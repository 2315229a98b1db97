import assert from "node:assert/strict";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { test } from "vitest";
import { native } from "../../lib/native/instance.js";
import type { ModuleHandle } from "../../lib/native/types.js";
import { Checkpoint, CPU, plainPictures, RUN, rejects, temporaryFolder, throws, tinyClipSpec } from "./helpers.js";

const folder = temporaryFolder();
const build = () => native().buildModule(tinyClipSpec(new Checkpoint(join(folder, "weights"))), CPU);
const batch = plainPictures([[1, 2, 3]]);

test("only a handle passes for a handle", async () => {
  const { encodeImages, moduleBytes, saveModule, unloadModule } = native();
  const handle = await build();
  const others = [undefined, null, 0, "", {}, [], () => 0, new Uint8Array(64), new Map(), Object.create(handle)];
  for (const other of others as ModuleHandle[]) {
    await rejects(encodeImages(other, batch, false, RUN), "INVALID_ARGUMENT");
    await rejects(saveModule(other, join(folder, "a.pt"), {}), "INVALID_ARGUMENT");
    throws(() => moduleBytes(other), "INVALID_ARGUMENT");
    await rejects(unloadModule(other), "INVALID_ARGUMENT");
  }
  // Not left to the collector, which would take it while a later test counts.
  await unloadModule(handle);
});

test("unloading frees the weights, once, and later calls say so", async () => {
  const { encodeImages, liveModules, memory, moduleBytes, unloadModule } = native();
  const before = { modules: liveModules(), bytes: memory("cpu").allocated };
  const module = await build();
  assert.equal(liveModules(), before.modules + 1);
  assert.equal(memory("cpu").allocated, before.bytes + moduleBytes(module));
  await unloadModule(module);
  await unloadModule(module);
  assert.equal(liveModules(), before.modules);
  assert.equal(memory("cpu").allocated, before.bytes);
  await rejects(encodeImages(module, batch, false, RUN), "UNLOADED");
  throws(() => moduleBytes(module), "UNLOADED");
});

test("a call that runs keeps its module until it ends", async () => {
  const { encodeImages, liveModules, unloadModule } = native();
  const before = liveModules();
  const module = await build();
  const calls = Array.from({ length: 8 }, () => encodeImages(module, batch, false, RUN));
  await unloadModule(module);
  for (const { data } of await Promise.all(calls)) assert.deepEqual([...data], [0.5, 1, 1.5, 3]);
  assert.equal(liveModules(), before);
});

test("a forgotten handle is collected with its weights", async () => {
  const collect = async () => {
    for (let i = 0; i < 5; i++) {
      globalThis.gc!();
      await setImmediate();
    }
  };
  await collect();
  const before = native().liveModules();
  await (async () => void (await build()))();
  assert.equal(native().liveModules(), before + 1);
  await collect();
  assert.equal(native().liveModules(), before);
});
