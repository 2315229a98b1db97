import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { native } from "../../lib/native/instance.js";
import type { ModuleSpec, ParameterSpec, Placement, TensorSlice } from "../../lib/native/types.js";
import { Checkpoint, CPU, RUN, readerSpec, rejects, temporaryFolder, tinyClipSpec } from "./helpers.js";

const folder = temporaryFolder();
let files = 0;

function checkpoint(shift = 0): Checkpoint {
  return new Checkpoint(join(folder, `weights-${files++}`), shift);
}

/** The values that a parameter ends up with. */
async function read(parameter: Omit<ParameterSpec, "name">, placement: Placement = CPU): Promise<number[]> {
  const { buildModule, encodeTexts, unloadModule } = native();
  const module = await buildModule(readerSpec({ name: "w", ...parameter }), placement);
  const { data } = await encodeTexts(module, Int32Array.of(0), 1, false, RUN);
  await unloadModule(module);
  return [...data];
}

const one = (slice: TensorSlice, more: Partial<ParameterSpec> = {}) => ({ layers: [[slice]], stacked: false, ...more });

test("integers, floats and bools are seen by TorchScript", async () => {
  const { buildModule, encodeTexts, moduleBytes } = native();
  const module = await buildModule(tinyClipSpec(checkpoint()), CPU);
  const { data, dimension } = await encodeTexts(module, Int32Array.of(0, 1, 2, 2), 2, false, RUN);
  assert.equal(dimension, 4);
  assert.deepEqual([...data], [17, 19, 21, 23, 29, 31, 33, 35]);
  assert.equal(moduleBytes(module), (12 + 12 + 8) * 4);
});

test("pieces are concatenated, layers stacked, either transposed", async () => {
  const weights = checkpoint();
  const a = weights.tensor([1, 2, 3, 4], [2, 2]);
  const b = weights.tensor([5, 6], [1, 2]);
  assert.deepEqual(await read({ layers: [[a, b]], stacked: false }), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(await read({ layers: [[a], [a]], stacked: true }), [1, 2, 3, 4, 1, 2, 3, 4]);
  assert.deepEqual(await read(one(a, { transpose: true })), [1, 3, 2, 4]);
  assert.deepEqual(await read({ layers: [[a, a]], stacked: false, transpose: true }), [1, 3, 2, 4, 1, 3, 2, 4]);
});

test("a tensor without dimensions, and one without elements", async () => {
  const weights = checkpoint();
  const scalar = weights.tensor([7], []);
  assert.deepEqual(await read(one(scalar)), [7]);
  assert.deepEqual(await read({ layers: [[scalar], [scalar]], stacked: true }), [7, 7]);
  assert.deepEqual(await read(one({ ...scalar, byteLength: 0, shape: [0, 3] })), []);
});

test("bytes that are not aligned", async () => {
  for (const shift of [1, 2, 3, 5]) assert.deepEqual(await read(one(checkpoint(shift).tensor([1, 2], [2]))), [1, 2]);
});

test("strides and a storage offset", async () => {
  const slice = checkpoint().tensor([0, 1, 2, 3, 4, 5, 6], [2, 3]);
  assert.deepEqual(await read(one({ ...slice, strides: [1, 2], storageOffset: 1 })), [1, 3, 5, 2, 4, 6]);
  assert.deepEqual(await read(one({ ...slice, strides: [0, 1] })), [0, 1, 2, 0, 1, 2]);
});

test("every element type", async () => {
  const weights = checkpoint(1);
  const stored: [TensorSlice["dtype"], ArrayBufferView][] = [
    ["F64", Float64Array.of(1, 2)],
    ["F16", Uint16Array.of(0x3c00, 0x4000)],
    ["BF16", Uint16Array.of(0x3f80, 0x4000)],
    ["I64", BigInt64Array.of(1n, 2n)],
    ["I32", Int32Array.of(1, 2)],
    ["I16", Int16Array.of(1, 2)],
    ["I8", Int8Array.of(1, 2)],
    ["U8", Uint8Array.of(1, 2)],
  ];
  for (const [dtype, values] of stored) {
    const bytes = new Uint8Array(values.buffer);
    const slice = { file: weights.file, offset: weights.raw(bytes), byteLength: bytes.length, dtype, shape: [2] };
    assert.deepEqual(await read(one(slice)), [1, 2], dtype);
    assert.deepEqual(await read({ layers: [[slice, weights.tensor([3], [1])]], stacked: false }), [1, 2, 3], dtype);
    assert.deepEqual(await read(one(slice), { device: "cpu", dtype: "bfloat16" }), [1, 2], dtype);
  }
  const slice: TensorSlice = { file: weights.file, offset: 0, byteLength: 1, dtype: "BOOL", shape: [1] };
  assert.deepEqual(await read(one(slice)), [0]);
});

test("a dtype holds for floating parameters and no others", async () => {
  const { buildModule, moduleBytes } = native();
  const weights = checkpoint();
  const floats = weights.parameter("w", [1, 2, 3], [3]);
  const ints: ParameterSpec = {
    name: "ids",
    layers: [
      [{ file: weights.file, offset: weights.raw(new Uint8Array(16)), byteLength: 16, dtype: "I64", shape: [2] }],
    ],
    stacked: false,
  };
  const spec: ModuleSpec = { source: "", ints: {}, floats: {}, bools: {}, parameters: [floats, ints] };
  for (const [dtype, size] of [
    ["float32", 4],
    ["bfloat16", 2],
    ["float16", 2],
  ] as const) {
    assert.equal(moduleBytes(await buildModule(spec, { device: "cpu", dtype })), 3 * size + 16);
  }
  assert.equal(moduleBytes(await buildModule(spec, CPU)), 28);
  await rejects(buildModule(spec, { device: "cpu", dtype: "int8" as never }), "INVALID_ARGUMENT");
  await rejects(buildModule(spec, { device: "cuda:99" }), "DEVICE_NOT_FOUND", /cpu/);
  await rejects(buildModule(spec, { device: "toaster" }), "DEVICE_NOT_FOUND");
});

test("hostile numbers are refused with the parameter's name", async () => {
  const slice = checkpoint().tensor([1, 2, 3, 4], [2, 2]);
  const huge = Number.MAX_SAFE_INTEGER;
  const hostile: Partial<TensorSlice>[] = [
    { offset: 1 },
    { offset: 17 },
    { offset: -4 },
    { offset: huge, byteLength: huge },
    { byteLength: 15 },
    { byteLength: -1 },
    { byteLength: 17 },
    { byteLength: huge },
    { shape: [2, 3] },
    { shape: [5] },
    { shape: [-1, 4] },
    { shape: [huge, huge] },
    { shape: [huge, huge, huge, 0] },
    { shape: [2 ** 32, 2 ** 32] },
    { shape: new Array(40).fill(1) },
    { dtype: "F64" },
    { dtype: "I64" },
    { dtype: "F8_E4M3" as never },
    { strides: [2] },
    { strides: [3, 1] },
    { strides: [-1, 1] },
    { strides: [huge, huge] },
    { storageOffset: 1 },
    { storageOffset: -1 },
    { storageOffset: huge },
  ];
  for (const change of hostile) {
    const parameter = { name: "text.weight_7", ...one({ ...slice, ...change }) };
    const spec: ModuleSpec = {
      source: "",
      ints: {},
      floats: {},
      bools: {},
      parameters: [{ ...parameter, name: "w7" }],
    };
    await rejects(native().buildModule(spec, CPU), "MODEL_INVALID", /"w7"/).catch((error: Error) => {
      throw new Error(`${JSON.stringify(change)}: ${error.message}`, { cause: error });
    });
  }
  // One element seen nine quadrillion times, or a little more often than is allowed.
  const repeated = (count: number) => read(one({ ...slice, shape: [count], strides: [0] }));
  await rejects(repeated(huge), "MODEL_INVALID", /"w": its strides repeat 16 bytes/);
  await rejects(repeated(2 ** 24 + 1), "MODEL_INVALID", /"w": its strides repeat 16 bytes/);
  assert.equal((await repeated(1000)).length, 1000);
});

test("pieces that do not fit together are refused", async () => {
  const weights = checkpoint();
  const matrix = weights.tensor([1, 2, 3, 4], [2, 2]);
  const vector = weights.tensor([1, 2], [2]);
  const scalar = weights.tensor([1], []);
  const refused: Omit<ParameterSpec, "name">[] = [
    { layers: [], stacked: true },
    { layers: [[]], stacked: true },
    { layers: [[matrix], [matrix]], stacked: false },
    { layers: [[matrix], [vector]], stacked: true },
    { layers: [[matrix, vector]], stacked: false },
    { layers: [[scalar, scalar]], stacked: false },
    { layers: [[vector]], stacked: false, transpose: true },
  ];
  for (const parameter of refused) await rejects(read(parameter), "MODEL_INVALID", /"w"/);
});

test("names and sources", async () => {
  const { buildModule } = native();
  const parameter = checkpoint().parameter("w", [1], [1]);
  const empty: ModuleSpec = { source: "", ints: {}, floats: {}, bools: {}, parameters: [] };
  await buildModule(empty, CPU);
  for (const name of ["", "a.b", "1a", "a b", "training", "é"]) {
    await rejects(buildModule({ ...empty, parameters: [{ ...parameter, name }] }, CPU), "MODEL_INVALID");
  }
  await rejects(buildModule({ ...empty, parameters: [parameter], ints: { w: 1 } }, CPU), "MODEL_INVALID", /twice/);
  await rejects(buildModule({ ...empty, source: "def f(self:" }, CPU), "MODEL_INVALID");
  await rejects(buildModule({ ...empty, source: "def f(self):\n    return self.nothing\n" }, CPU), "MODEL_INVALID");
  await rejects(buildModule({ ...empty, ints: { a: 1.5 } }, CPU), "INVALID_ARGUMENT", /spec\.ints\.a/);
  await rejects(buildModule(undefined as never, CPU), "INVALID_ARGUMENT");
  await rejects(buildModule(empty, undefined as never), "INVALID_ARGUMENT");
});

test("files that are missing, empty, or folders", async () => {
  const slice = checkpoint().tensor([1], [1]);
  await rejects(read(one({ ...slice, file: join(folder, "missing") })), "IO", /missing/);
  await rejects(read(one({ ...slice, file: folder })), "IO");
  const empty = join(folder, "empty");
  writeFileSync(empty, "");
  await rejects(read(one({ ...slice, file: empty })), "MODEL_INVALID");
  assert.deepEqual(await read(one({ ...slice, file: empty, byteLength: 0, shape: [0] })), []);
});
