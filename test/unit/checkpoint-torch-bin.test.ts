import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, test } from "vitest";
import { readTorchBin } from "../../lib/checkpoint/weights/torch-bin.js";
import { readZipRecords } from "../../lib/checkpoint/weights/zip.js";
import { fileOf, fixture, rejectsInvalid, survivesDamage, valuesOf } from "./support/checkpoint.js";
import { type Stored, zip } from "./support/zip.js";

/** The pickle of a dict with one float32 tensor `w`. */
function statePickle({ offset = 0, shape = [2], strides = [1], elements = 2, key = "0" } = {}): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([0x58, value.length, 0, 0, 0]), Buffer.from(value)]);
  const tuple = (values: number[]) =>
    Buffer.from(`(${values.map((value) => `K${String.fromCharCode(value)}`).join("")}t`, "latin1");
  return Buffer.concat([
    Buffer.from("\x80\x02}", "latin1"),
    text("w"),
    Buffer.from("ctorch._utils\n_rebuild_tensor_v2\n(("),
    text("storage"),
    Buffer.from("ctorch\nFloatStorage\n"),
    text(key),
    text("cpu"),
    Buffer.from([0x4b, elements]),
    Buffer.from("tQ"),
    Buffer.from([0x4b, offset]),
    tuple(shape),
    tuple(strides),
    Buffer.from("\x89ccollections\nOrderedDict\n)RtRs.", "latin1"),
  ]);
}

/** The pickle of a module that holds itself. */
function endlessModule(): Buffer {
  return Buffer.from("\x80\x02c__torch__\nM\n)\x81q\0}X\x01\0\0\0ah\0sb.", "latin1");
}

/** The pickle of a module that holds another one twice, which holds another one twice, … */
function doubledModules(levels: number): Buffer {
  const module = "c__torch__\nM\n)\x81";
  const twice = `${module}}X\x01\0\0\0ah\0sX\x01\0\0\0bh\0sbq\0`;
  return Buffer.from(`\x80\x02${module}q\0${twice.repeat(levels)}.`, "latin1");
}

/** The pickle of a module that holds one module of 1000 attributes under 200 names. */
function sharedAttributes(): Buffer {
  const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;
  const module = (attributes: number, value: string) =>
    `c__torch__\nM\n)\x81}(${Array.from({ length: attributes }, (_, at) => text(`a${at}`) + value).join("")}ub`;
  return Buffer.from(`\x80\x02${module(1000, "N")}q\0${module(200, "h\0")}.`, "latin1");
}

/** A zip file whose directory is, by its second kind of end, at this byte. */
function farDirectory(position: bigint): Buffer {
  const bytes = zip([record("data.pkl", statePickle()), record("data/0", DATA)]);
  const locator = Buffer.alloc(20);
  locator.write("PK\x06\x07", "latin1");
  locator.writeBigUInt64LE(position, 8);
  return Buffer.concat([bytes.subarray(0, -22), locator, bytes.subarray(-22)]);
}

const DATA = Buffer.from(new Float32Array([1, 2]).buffer);
const record = (name: string, data: Buffer, rest: Partial<Stored> = {}): Stored => ({
  name: `model/${name}`,
  data,
  ...rest,
});

test("reads everything that torch.save writes", async () => {
  const expected: Record<string, { shape: number[]; values: unknown[] }> = JSON.parse(
    readFileSync(fixture("tensors.json"), "utf8"),
  );
  const tensors = await readTorchBin(fixture("tensors.bin"));
  assert.deepEqual([...tensors.keys()], Object.keys(expected));
  for (const [name, { shape, values }] of Object.entries(expected)) {
    assert.deepEqual(tensors.get(name)!.shape, shape, name);
    assert.deepEqual(valuesOf(tensors.get(name)!), values, name);
  }
});

test("takes of a shared storage only what a tensor shows", async () => {
  const tensors = await readTorchBin(fixture("tensors.bin"));
  const [transposed, view, second] = ["transposed", "view", "every_second"].map((name) => tensors.get(name)!);
  assert.equal(view!.offset, transposed!.offset + 12);
  assert.equal(view!.byteLength, 24);
  assert.equal(view!.strides, undefined);
  assert.deepEqual(transposed!.strides, [1, 6]);
  assert.deepEqual([second!.strides, second!.byteLength], [[2], 92]);
});

test("reads the state dict of a model, with the buffers of old files", async () => {
  const tensors = await readTorchBin(fixture("clip-end-id/pytorch_model.bin"));
  assert.deepEqual(tensors.get("text_model.embeddings.position_ids")?.dtype, "I64");
  assert.deepEqual(tensors.get("visual_projection.weight")?.dtype, "F16");
});

test("tied weights are one place in the file", async () => {
  const tensors = await readTorchBin(fixture("blip-untied/pytorch_model.bin"));
  const bias = tensors.get("text_decoder.cls.predictions.bias")!;
  assert.equal(bias.offset, tensors.get("text_decoder.cls.predictions.decoder.bias")!.offset);
});

test("says how to convert what it does not read", async () => {
  await rejectsInvalid(readTorchBin(fixture("legacy.bin")), /before 1\.6\. Convert it with Python: import torch/);
  await rejectsInvalid(readTorchBin(fixture("nested.bin")), /save model\.state_dict\(\) itself/);
  await rejectsInvalid(readTorchBin(fixture("float8.bin")), /"torch\._utils\._rebuild_tensor_v3"|UntypedStorage/);
});

test("reads the weights of a TorchScript archive under the names of its state dict, and passes its code over", async () => {
  const tensors = await readTorchBin(fileURLToPath(new URL("../fixtures/openai/vit.pt", import.meta.url)));
  assert.deepEqual(tensors.get("visual.conv1.weight")!.shape, [128, 3, 8, 8]);
  assert.deepEqual(
    [tensors.get("visual.conv1.weight")!.dtype, tensors.get("visual.ln_pre.weight")!.dtype],
    ["F16", "F32"],
  );
  assert.deepEqual(tensors.get("transformer.resblocks.1.attn.in_proj_weight")!.shape, [192, 64]);
  assert.deepEqual(valuesOf(tensors.get("context_length")!), [77]);
});

test("a file of its own making is read", async (t) => {
  const path = fileOf(
    t,
    zip([record("data.pkl", statePickle()), record("byteorder", Buffer.from("little")), record("data/0", DATA)]),
  );
  assert.deepEqual(valuesOf((await readTorchBin(path)).get("w")!), [1, 2]);
});

describe("refuses hostile and damaged files", () => {
  const good = [record("data.pkl", statePickle()), record("data/0", DATA)];
  const withPickle = (options: Parameters<typeof statePickle>[0]) => [
    record("data.pkl", statePickle(options)),
    record("data/0", DATA),
  ];
  const evil = Buffer.from("\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.", "latin1");
  const cases: [string, Buffer, RegExp][] = [
    ["empty", Buffer.alloc(0), /too short/],
    ["something else", Buffer.from("<html>not found</html>"), /neither a zip archive nor a pickle/],
    ["os.system", zip([record("data.pkl", evil), record("data/0", DATA)]), /"os\.system".*rejected/],
    [
      "compressed tensor",
      zip([good[0]!, record("data/0", Buffer.alloc(1000), { deflate: true })]),
      /"model\/data\/0".*compressed/,
    ],
    [
      "compressed pickle",
      zip([record("data.pkl", statePickle(), { deflate: true }), good[1]!]),
      /"model\/data\.pkl".*compressed/,
    ],
    ["encrypted", zip([good[0]!, record("data/0", DATA, { flags: 1 })]), /encrypted|damaged/],
    ["named twice", zip([...good, good[1]!]), /occurs twice/],
    ["no pickle", zip([good[1]!]), /without PyTorch weights/],
    ["two pickles", zip([...good, { name: "other/data.pkl", data: statePickle() }]), /without PyTorch weights/],
    ["module without end", zip([record("data.pkl", endlessModule()), good[1]!]), /nests its modules too deeply/],
    ["module after module", zip([record("data.pkl", doubledModules(14)), good[1]!]), /more than 10000 modules/],
    [
      "module of a module's attributes",
      zip([record("data.pkl", sharedAttributes()), good[1]!]),
      /more than 100000 module attributes/,
    ],
    [
      "many records",
      zip(Array.from({ length: 10_001 }, (_, at) => record(`data/${at}`, DATA))),
      /too many for a model/,
    ],
    ["directory beyond 2^53", farDirectory(2n ** 63n), /there is no byte 9223372036854776000/],
    ["directory beyond the end", farDirectory(2n ** 40n), /unexpected EOF/],
    ["name with an escape", zip([...good, record("..\n/../\x9b", DATA)]), /invalid relative path: [^\n\x9b]*$/],
    ["big-endian", zip([...good, record("byteorder", Buffer.from("big"))]), /byte order "big"/],
    ["storage missing", zip(withPickle({ key: "9" })), /lacks the record "data\/9"/],
    ["storage outside", zip(withPickle({ key: "../data.pkl" })), /lacks the record/],
    ["storage too small", zip(withPickle({ elements: 3 })), /8 bytes, expected 3 elements of F32/],
    ["shape beyond the storage", zip(withPickle({ shape: [3] })), /"w".*exceeds the 2 elements/],
    ["offset beyond the storage", zip(withPickle({ offset: 1 })), /exceeds/],
    ["strides beyond the storage", zip(withPickle({ strides: [200] })), /exceeds/],
    ["strides of another rank", zip(withPickle({ strides: [1, 1] })), /exceeds/],
    ["overflowing shape", zip(withPickle({ shape: Array(9).fill(100), strides: Array(9).fill(0) })), /exceeds/],
    [
      "pickle of a tuple",
      zip([record("data.pkl", Buffer.from("\x80\x02).", "latin1")), good[1]!]),
      /does not contain a state dict/,
    ],
    [
      "empty dict",
      zip([record("data.pkl", Buffer.from("\x80\x02}.", "latin1")), good[1]!]),
      /no tensors at its top level/,
    ],
    ["path upwards", zip([...good, { name: "../x", data: DATA }]), /damaged/],
  ];
  for (const [name, bytes, message] of cases) {
    test(name, (t) => rejectsInvalid(readTorchBin(fileOf(t, bytes, "pytorch_model.bin")), message));
  }
});

test("a record that claims to reach beyond the file is refused", async (t) => {
  const bytes = zip([record("data.pkl", statePickle()), record("data/0", DATA)]);
  const entry = bytes.lastIndexOf("PK\x01\x02");
  bytes.writeUInt32LE(0x7fffffff, entry + 20);
  bytes.writeUInt32LE(0x7fffffff, entry + 24);
  await rejectsInvalid(readZipRecords(fileOf(t, bytes)), /beyond|bounds|damaged/);
});

test("a cut-off download is refused at every length", async (t) => {
  const whole = zip([record("data.pkl", statePickle()), record("data/0", DATA)]);
  for (let length = 0; length < whole.length; length += 3) {
    await rejectsInvalid(readTorchBin(fileOf(t, whole.subarray(0, length))), /./);
  }
});

test("damaged files give a coded error or nothing", async (t) => {
  const original = readFileSync(fixture("tensors.bin"));
  const pickle = await readZipRecords(fixture("tensors.bin")).then((records) => records.get("tensors/data.pkl")!);
  const inPickle: [number, number] = [pickle.offset, pickle.offset + pickle.byteLength];
  await survivesDamage(t, original, "pytorch_model.bin", readTorchBin, { rounds: 300, region: inPickle });
  const directory: [number, number] = [original.indexOf("PK\x01\x02"), original.length];
  await survivesDamage(t, original, "pytorch_model.bin", readTorchBin, { rounds: 300, region: directory });
});
