import assert from "node:assert/strict";
import { join } from "node:path";
import { beforeAll, test } from "vitest";
import { native } from "../../lib/native/instance.js";
import type { ModuleHandle, PixelBatch } from "../../lib/native/types.js";
import { Checkpoint, CPU, plainPictures, RUN, rejects, temporaryFolder, tinyClipSpec } from "./helpers.js";

const checkpoint = new Checkpoint(join(temporaryFolder(), "weights"));
let module: ModuleHandle;

beforeAll(async () => {
  module = await native().buildModule(tinyClipSpec(checkpoint), CPU);
});

test("rows come back in the order given", async () => {
  const batch = plainPictures([
    [2, 4, 6],
    [0, 0, 0],
    [255, 0, 10],
  ]);
  const { data, dimension } = await native().encodeImages(module, batch, false, RUN);
  assert.equal(dimension, 4);
  assert.deepEqual([...data], [1, 2, 3, 6, 0, 0, 0, 0, 127.5, 0, 5, 132.5]);
});

test("pixels keep their places", async () => {
  const spec = tinyClipSpec(checkpoint);
  spec.source = "def encode_image(self, pixel_values: Tensor) -> Tensor:\n    return pixel_values.flatten(1)\n";
  const flat = await native().buildModule(spec, CPU);
  const batch = { ...plainPictures([[0, 0, 0]], 2, 3) };
  batch.pixels = [Uint8Array.from({ length: 18 }, (_, i) => i)];
  const { data } = await native().encodeImages(flat, batch, false, RUN);
  assert.deepEqual([...data], [0, 3, 6, 9, 12, 15, 1, 4, 7, 10, 13, 16, 2, 5, 8, 11, 14, 17]);
});

test("normalisation is (value * scale - mean) / std in float32", async () => {
  const batch = plainPictures([[10, 100, 250]]);
  batch.normalize = {
    scale: 1 / 255,
    mean: [0.48145466, 0.4578275, 0.40821073],
    std: [0.26862954, 0.26130258, 0.27577711],
  };
  const { data } = await native().encodeImages(module, batch, false, RUN);
  const [r, g, b] = [10, 100, 250].map(
    (value, c) => (value / 255 - batch.normalize.mean[c]!) / batch.normalize.std[c]!,
  );
  for (const [i, value] of [r!, g!, b!, r! + g! + b!].entries()) assert.ok(Math.abs(data[i]! - value / 2) < 2e-6);
});

test("vectors of length one on request, in any dtype", async () => {
  const { buildModule, encodeImages, encodeTexts } = native();
  for (const dtype of ["float32", "bfloat16", "float16"] as const) {
    const handle = await buildModule(tinyClipSpec(checkpoint), { device: "cpu", dtype });
    const images = await encodeImages(handle, plainPictures([[3, 4, 0]]), true, RUN);
    const texts = await encodeTexts(handle, Int32Array.of(1, 2), 2, true, RUN);
    for (const row of [images.data, texts.data.subarray(0, 4), texts.data.subarray(4)]) {
      assert.ok(Math.abs(Math.hypot(...row) - 1) < 1e-6, dtype);
    }
  }
});

test("what does not fit is refused", async () => {
  const { encodeImages, encodeTexts } = native();
  const good = plainPictures([[1, 2, 3]]);
  const bad: unknown[] = [
    undefined,
    { ...good, pixels: [] },
    { ...good, pixels: [new Uint8Array(71)] },
    { ...good, pixels: [new Uint8Array(73)] },
    { ...good, pixels: [new Uint8ClampedArray(72)] },
    { ...good, pixels: [good.pixels[0], undefined] },
    { ...good, height: 0 },
    { ...good, height: -4 },
    { ...good, width: 1.5 },
    { ...good, width: 2 ** 40 },
    { ...good, normalize: undefined },
    { ...good, normalize: { ...good.normalize, mean: [0, 0] } },
  ];
  for (const batch of bad) await rejects(encodeImages(module, batch as PixelBatch, false, RUN), "INVALID_ARGUMENT");
  await rejects(encodeImages(module, good, 1 as never, RUN), "INVALID_ARGUMENT");
  await rejects(encodeImages(module, good, false, {} as never), "INVALID_ARGUMENT");
  await rejects(encodeImages(module, good, false, { ...RUN, memoryLimit: -1 }), "INVALID_ARGUMENT");

  await rejects(encodeTexts(module, Int32Array.of(), 1, false, RUN), "INVALID_ARGUMENT");
  await rejects(encodeTexts(module, Int32Array.of(1, 2, 3), 2, false, RUN), "INVALID_ARGUMENT");
  await rejects(encodeTexts(module, Int32Array.of(1, 2), 0, false, RUN), "INVALID_ARGUMENT");
  await rejects(encodeTexts(module, Int32Array.of(-1), 1, false, RUN), "INVALID_ARGUMENT", /-1/);
  await rejects(encodeTexts(module, [1] as never, 1, false, RUN), "INVALID_ARGUMENT");
  await rejects(encodeTexts(module, Uint32Array.of(1) as never, 1, false, RUN), "INVALID_ARGUMENT");
});

test("ids are held against the module's vocabulary", async () => {
  const spec = tinyClipSpec(checkpoint);
  const handle = await native().buildModule({ ...spec, ints: { ...spec.ints, vocab_size: 3 } }, CPU);
  await native().encodeTexts(handle, Int32Array.of(2), 1, false, RUN);
  await rejects(native().encodeTexts(handle, Int32Array.of(3), 1, false, RUN), "INVALID_ARGUMENT", /3/);
});

test("a failure in the model's code rejects without a backtrace, and the next call works", async () => {
  // Without vocab_size nobody stops this id before LibTorch does.
  await rejects(native().encodeTexts(module, Int32Array.of(99), 1, false, RUN), "INTERNAL", /index/);
  const spec = tinyClipSpec(checkpoint);
  const broken = await native().buildModule(
    { ...spec, source: "def encode_image(self, x: Tensor) -> Tensor:\n    assert False, 'no'\n    return x\n" },
    CPU,
  );
  await rejects(native().encodeImages(broken, plainPictures([[1, 2, 3]]), false, RUN), "INTERNAL");
  await rejects(native().encodeTexts(broken, Int32Array.of(1), 1, false, RUN), "MODEL_INVALID", /encode_text/);
  const wrong = await native().buildModule(
    { ...spec, source: "def encode_image(self, x: Tensor) -> Tensor:\n    return x.sum()\n" },
    CPU,
  );
  await rejects(native().encodeImages(wrong, plainPictures([[1, 2, 3]]), false, RUN), "MODEL_INVALID");
  await native().encodeTexts(module, Int32Array.of(1), 1, false, RUN);
});

test("twenty calls at once, of different sizes", async () => {
  const calls = Array.from({ length: 20 }, async (_, i) => {
    const colors = Array.from({ length: i + 1 }, (_, row): [number, number, number] => [row * 2, i, 0]);
    const { data } = await native().encodeImages(module, plainPictures(colors, 1 + i, 3), false, RUN);
    const expected = colors.flatMap(([r, g]) => [r / 2, g / 2, 0, (r + g) / 2]);
    assert.deepEqual([...data], expected);
  });
  await Promise.all(calls);
});

test("what a module raises is its own failure, whatever it says", async () => {
  for (const words of ["CUDA error: an illegal memory access was encountered", "CUDA out of memory"]) {
    const spec = tinyClipSpec(checkpoint);
    spec.source = `
def encode_text(self, input_ids: Tensor) -> Tensor:
    assert input_ids.size(0) == 1, "${words}"
    return torch.embedding(self.text, input_ids).sum(1)
`;
    const raising = await native().buildModule(spec, CPU);
    await native().encodeTexts(raising, Int32Array.of(1), 1, false, RUN);
    await rejects(native().encodeTexts(raising, Int32Array.of(1, 2), 2, false, RUN), "INTERNAL", new RegExp(words));
  }
});
