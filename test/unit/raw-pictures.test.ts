import assert from "node:assert/strict";
import { describe, it } from "vitest";
import { Admission } from "../../lib/engine/admission.js";
import { DeviceQueue } from "../../lib/engine/device-queue.js";
import { ModelHost } from "../../lib/engine/host.js";
import type { ImageInput, RawPixels } from "../../lib/input/types.js";
import { EncodeImages } from "../../lib/models/clip/operations.js";
import type { Runtime } from "../../lib/models/model.js";
import type { ModuleHandle, NativeBinding, PixelBatch } from "../../lib/native/types.js";
import { localTurns } from "./support/engine.js";

const SIDE = 8;
const BYTES = SIDE * SIDE * 3;

/** A CLIP on an addon that gives the first byte of each picture and remembers what it was given. */
async function fakeClip({ largest = 256 } = {}) {
  const batches: Uint8Array[][] = [];
  const resized: Uint8Array[] = [];
  let fits = Number.POSITIVE_INFINITY;
  const native = {
    emptyCache: async () => {},
    unloadModule: async () => {},
    encodeImages: async (_module: ModuleHandle, { pixels }: PixelBatch) => {
      batches.push(pixels);
      if (pixels.length > fits) throw Object.assign(new Error("too much"), { code: "OUT_OF_MEMORY" });
      return { data: Float32Array.from(pixels, ([first]) => first!), dimension: 1, peakBytes: 1 };
    },
    preprocess: async (rgb: Uint8Array) => {
      resized.push(rgb);
      return { pixels: new Uint8Array(BYTES).fill(rgb[0]!), width: SIDE, height: SIDE };
    },
  } as unknown as NativeBinding;
  const device = "fake";
  const queue = new DeviceQueue(localTurns());
  const load = async () => ({}) as ModuleHandle;
  const admission = new Admission(10_000);
  const host = new ModelHost({
    native,
    device,
    queue,
    load,
    measureBudget: () => 1e9,
    releaseCache: "after-call",
    isBusy: () => false,
  });
  await host.ensureLoaded();
  const size = { height: SIDE, width: SIDE };
  const runtime = {
    native,
    device,
    queue,
    host,
    admission,
    description: { architecture: "clip", imageSize: SIDE },
    extraFiles: { "preprocessor_config.json": JSON.stringify({ size: { shortest_edge: SIDE }, crop_size: size }) },
    options: {},
  } as unknown as Runtime<never>;
  const operation = new EncodeImages(runtime, SIDE);
  operation.adopt({ bytesPerItem: 1e9 / largest, fixedBytes: 0 });
  const encode = async (images: ImageInput[], options: { maxPixels?: number } = {}) => {
    const rows = await operation.pipeline.map(images.map((image) => ({ image, options })));
    return rows.map(([first]) => first);
  };
  const fitting = (items: number) => {
    fits = items;
  };
  return { batches, resized, encode, fitting };
}

const raw = (data: RawPixels["data"], fields: Partial<RawPixels> = {}): RawPixels => ({
  data,
  width: SIDE,
  height: SIDE,
  channels: 3,
  ...fields,
});
const filled = (value: number, buffer: ArrayBufferLike = new ArrayBuffer(BYTES)) => new Uint8Array(buffer).fill(value);

describe("raw pictures of the model's size", () => {
  it("reach the addon in one batch, without a thread and without a resize", async () => {
    const { batches, resized, encode } = await fakeClip();
    const values = Array.from({ length: 256 }, (_, index) => index);
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    assert.deepEqual(await encode(values.map((value) => raw(filled(value)))), values);
    assert.equal(turned, false);
    assert.equal(batches.length, 1);
    assert.equal(resized.length, 0);
  });

  it("are copied into memory that the next call uses again", async () => {
    const { batches, encode } = await fakeClip();
    const pictures = [3, 4, 5].map((value) => raw(filled(value)));
    await encode(pictures);
    const given = pictures.map(({ data }) => (data as Uint8Array).fill(9));
    assert.deepEqual(await encode(pictures), [9, 9, 9]);
    assert.equal(new Set(batches.flat()).size, 3);
    assert.ok(!given.some((data) => batches.flat().some(({ buffer }) => buffer === data.buffer)));
  });

  it("may be changed and transferred once the call has returned its promise", async () => {
    const { encode } = await fakeClip();
    const [changed, transferred] = [filled(1), filled(2)];
    const call = encode([raw(changed), raw(transferred)]);
    changed.fill(7);
    structuredClone(transferred.buffer, { transfer: [transferred.buffer] });
    assert.deepEqual(await call, [1, 2]);
  });

  it("are refused by their index where they were transferred before their turn", async () => {
    const { encode } = await fakeClip({ largest: 2 });
    const pictures = Array.from({ length: 6 }, (_, index) => filled(index));
    const call = encode(pictures.map((data) => raw(data)));
    structuredClone(null, { transfer: pictures.map(({ buffer }) => buffer) });
    await assert.rejects(call, { code: "ERR_INVALID_ARGUMENT", index: 4, message: /transferred/ });
  });

  it("are read where they are in shared memory, which is never lent to another picture", async () => {
    const { batches, encode } = await fakeClip();
    const shared = new SharedArrayBuffer(BYTES + 5);
    const view = new Uint8Array(shared, 5, BYTES).fill(6);
    assert.deepEqual(await encode([raw(view), raw(filled(1))]), [6, 1]);
    assert.equal(batches[0]![0]!.buffer, shared);
    assert.equal(batches[0]![0]!.byteOffset, 5);
    assert.deepEqual(await encode([raw(filled(2)), raw(filled(3))]), [2, 3]);
    assert.ok(batches[1]!.every(({ buffer }) => buffer !== shared));
    assert.equal(view[0], 6);
  });

  it("keep their memory until they fit", async () => {
    const { batches, encode, fitting } = await fakeClip();
    fitting(2);
    const values = [1, 2, 3, 4, 5];
    assert.deepEqual(await encode(values.map((value) => raw(filled(value)))), values);
    assert.deepEqual(
      batches.map(({ length }) => length),
      [5, 4, 2, 2, 1],
    );
    assert.equal(new Set(batches.flat()).size, 5);
  });

  it("in any kind of bytes, and a part of a buffer, are the same", async () => {
    const { resized, encode } = await fakeClip();
    const buffer = filled(0, new ArrayBuffer(2 * BYTES)).buffer;
    const forms = [
      filled(8, new ArrayBuffer(BYTES)).buffer,
      new Uint8ClampedArray(BYTES).fill(8),
      new Uint8Array(buffer, 7, BYTES).fill(8),
      Buffer.alloc(BYTES, 8),
      filled(8, new SharedArrayBuffer(BYTES)).buffer,
    ];
    assert.deepEqual(await encode(forms.map((data) => raw(data as RawPixels["data"]))), Array(5).fill(8));
    assert.equal(resized.length, 0);
  });
});

describe("other raw pictures go the way of all", () => {
  it("those of another size are resized", async () => {
    const { resized, encode } = await fakeClip();
    assert.deepEqual(await encode([raw(new Uint8Array(2 * BYTES).fill(4), { height: 2 * SIDE })]), [4]);
    assert.equal(resized.length, 1);
  });

  it("grey is repeated and alpha dropped", async () => {
    const { batches, encode } = await fakeClip();
    await encode([
      raw(new Uint8Array(SIDE * SIDE).fill(70), { channels: 1 }),
      raw(new Uint8Array(SIDE * SIDE * 4).fill(80), { channels: 4 }),
    ]);
    // Which one is ready first is open.
    const pixels = batches.flat().sort((one, other) => one[0]! - other[0]!);
    for (const [index, value] of [70, 80].entries()) assert.deepEqual([...pixels[index]!], Array(BYTES).fill(value));
  });

  it("those with too many pixels, too few bytes or a getter that throws are refused by their index", async () => {
    const { encode } = await fakeClip();
    const hostile = {
      ...raw(filled(1)),
      get data(): never {
        throw new Error("no");
      },
    };
    const fine = raw(filled(1));
    await assert.rejects(encode([fine, fine], { maxPixels: 10 }), { code: "ERR_IMAGE_TOO_LARGE", index: 0 });
    await assert.rejects(encode([fine, raw(new Uint8Array(5))]), { code: "ERR_INVALID_ARGUMENT", index: 1 });
    await assert.rejects(encode([fine, hostile]), { code: "ERR_INVALID_ARGUMENT", index: 1 });
    assert.deepEqual(await encode([fine]), [1]);
  });
});
