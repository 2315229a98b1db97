import assert from "node:assert/strict";
import { join } from "node:path";
import { beforeAll, test } from "vitest";
import { native } from "../../lib/native/instance.js";
import type { ModuleHandle } from "../../lib/native/types.js";
import { Checkpoint, CPU, plainPictures, RUN, rejects, temporaryFolder, throws, tinyClipSpec } from "./helpers.js";

let module: ModuleHandle;
const pictures = (count: number) =>
  plainPictures(
    Array.from({ length: count }, () => [1, 2, 3]),
    32,
    32,
  );
const floatBytes = (count: number) => count * 32 * 32 * 3 * 4;

beforeAll(async () => {
  module = await native().buildModule(tinyClipSpec(new Checkpoint(join(temporaryFolder(), "weights"))), CPU);
});

test("a call reports its peak, which grows with the batch", async () => {
  const { encodeImages } = native();
  const small = (await encodeImages(module, pictures(8), false, RUN)).peakBytes;
  const large = (await encodeImages(module, pictures(24), false, RUN)).peakBytes;
  assert.ok(small >= floatBytes(8) && small < 3 * floatBytes(8), String(small));
  assert.ok(Math.abs((large - small) / (floatBytes(24) - floatBytes(8)) - small / floatBytes(8)) < 0.2);
});

test("counters return to where they were, and the peak can be reset", async () => {
  const { encodeImages, memory, resetPeak } = native();
  const before = memory("cpu");
  resetPeak("cpu");
  assert.equal(memory("cpu").peak, before.allocated);
  const { peakBytes } = await encodeImages(module, pictures(16), false, RUN);
  assert.equal(memory("cpu").allocated, before.allocated);
  assert.equal(memory("cpu").peak, before.allocated + peakBytes);
  resetPeak("cpu");
  assert.equal(memory("cpu").peak, before.allocated);
  assert.equal(memory("cpu").free, undefined);
});

test("a limit stops the call with OUT_OF_MEMORY, and the next call works", async () => {
  const { encodeImages, encodeTexts, memory } = native();
  const before = memory("cpu").allocated;
  const limited = { ...RUN, memoryLimit: floatBytes(4) };
  await rejects(encodeImages(module, pictures(16), false, limited), "OUT_OF_MEMORY", /limit/);
  assert.equal(memory("cpu").allocated, before);
  await encodeImages(module, pictures(2), false, limited);
  await encodeImages(module, pictures(16), false, RUN);
  await rejects(encodeTexts(module, Int32Array.of(1), 1, false, { ...RUN, memoryLimit: 0 }), "OUT_OF_MEMORY");
  await encodeImages(module, pictures(2), false, { ...RUN, memoryLimit: Number.POSITIVE_INFINITY });
});

test("OUT_OF_MEMORY inside of TorchScript keeps its type", async () => {
  const spec = tinyClipSpec(new Checkpoint(join(temporaryFolder(), "weights")));
  const hungry = await native().buildModule(
    {
      ...spec,
      source:
        "def encode_image(self, x: Tensor) -> Tensor:\n" +
        "    return torch.zeros([1000000000000]).sum() + x.flatten(1)\n" +
        "def encode_text(self, ids: Tensor) -> Tensor:\n" +
        "    return torch.zeros([100000]).sum() + ids.float()\n",
    },
    CPU,
  );
  const limited = { ...RUN, memoryLimit: 300_000 };
  await rejects(native().encodeTexts(hungry, Int32Array.of(1), 1, false, limited), "OUT_OF_MEMORY", /limit/);
  await native().encodeTexts(hungry, Int32Array.of(1), 1, false, { ...RUN, memoryLimit: 500_000 });
  // 4 TB, which malloc itself refuses.
  await rejects(native().encodeImages(hungry, pictures(1), false, RUN), "OUT_OF_MEMORY");
  // Left to the garbage collector, its weights would go amid a later test that counts bytes.
  await native().unloadModule(hungry);
});

test("parallel calls have limits of their own", async () => {
  const { encodeImages, memory } = native();
  const before = memory("cpu").allocated;
  const outcomes = await Promise.all(
    Array.from({ length: 12 }, (_, i) =>
      encodeImages(module, pictures(8), false, { ...RUN, memoryLimit: i % 2 ? floatBytes(2) : floatBytes(24) }).then(
        () => "done",
        (error: { code: string }) => error.code,
      ),
    ),
  );
  assert.deepEqual(
    outcomes,
    Array.from({ length: 12 }, (_, i) => (i % 2 ? "OUT_OF_MEMORY" : "done")),
  );
  assert.equal(memory("cpu").allocated, before);
});

test("devices", async () => {
  const { cpuHasFastBfloat16, devices, emptyCache, memory, resetPeak, torchVersion } = native();
  assert.equal(devices()[0]!.name, "cpu");
  for (const { name, description } of devices()) {
    assert.ok(description);
    assert.ok(memory(name).allocated >= 0);
    resetPeak(name);
    await emptyCache(name);
  }
  assert.equal(typeof cpuHasFastBfloat16(), "boolean");
  assert.match(torchVersion(), /^\d+\.\d+\.\d+/);
  for (const name of ["", "cpu:0", "cuda:", "cuda:x", "cuda:999", "cuda:-1", "tpu"]) {
    throws(() => memory(name), "DEVICE_NOT_FOUND");
  }
  throws(() => memory(undefined as never), "INVALID_ARGUMENT");
});
