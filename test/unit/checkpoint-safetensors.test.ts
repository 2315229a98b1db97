import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "vitest";
import { readSafetensors } from "../../lib/checkpoint/weights/safetensors.js";
import { fileOf, fixture, rejectsInvalid, survivesDamage, valuesOf } from "./support/checkpoint.js";

/** A file with this header and so many bytes of data. */
function file(header: unknown, dataBytes: number, { length }: { length?: bigint } = {}): Buffer {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([prefix, text, Buffer.from(Array.from({ length: dataBytes }, (_, i) => i))]);
}

const tensor = (shape: unknown, begin: unknown, end: unknown, dtype: unknown = "U8") => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

test("reads where each tensor is", async (t) => {
  const header = {
    __metadata__: { format: "pt" },
    b: tensor([2, 2], 4, 8),
    a: tensor([1], 0, 4, "F32"),
    e: tensor([0, 3], 8, 8),
  };
  const path = fileOf(t, file(header, 8));
  const tensors = await readSafetensors(path);
  assert.deepEqual([...tensors.keys()], ["b", "a", "e"]);
  assert.deepEqual(valuesOf(tensors.get("b")!), [4, 5, 6, 7]);
  assert.deepEqual(tensors.get("e"), { ...tensors.get("e"), byteLength: 0, shape: [0, 3] });
});

test("reads what transformers saved", async () => {
  const tensors = await readSafetensors(fixture("clip-legacy/model.safetensors"));
  assert.deepEqual(tensors.get("visual_projection.weight")?.shape, [10, 12]);
  assert.equal(tensors.get("logit_scale")?.byteLength, 4);
});

test("names that an object of JavaScript has anyway are names like others", async (t) => {
  const header = `{"__proto__": ${JSON.stringify(tensor([1], 0, 1))}, "constructor": ${JSON.stringify(tensor([1], 1, 2))}}`;
  const tensors = await readSafetensors(fileOf(t, file(header, 2)));
  assert.deepEqual([...tensors.keys()], ["__proto__", "constructor"]);
});

describe("refuses hostile and damaged files", () => {
  const cases: [string, Buffer, RegExp][] = [
    ["empty", Buffer.alloc(0), /0 bytes: too short/],
    ["shorter than the length", Buffer.alloc(7), /7 bytes: too short/],
    ["header of no bytes", file("", 0), /not valid JSON/],
    [
      "header of 2^63 bytes",
      file("{}", 0, { length: 2n ** 63n }),
      /claims a safetensors header of 9223372036854775808/,
    ],
    ["header above the limit", file("{}", 0, { length: 100_000_001n }), /claims a safetensors header/],
    ["header past the end", file("{}", 0, { length: 3n }), /claims a safetensors header of 3 bytes/],
    [
      "nesting beyond the stack",
      file(`{"a":{"dtype":${"[".repeat(50_000)}${"]".repeat(50_000)}}}`, 0),
      /nested too deeply/,
    ],
    ["65 dimensions", file({ a: tensor(Array(65).fill(1), 0, 1) }, 1), /at most 64 dimensions/],
    [
      "characters that a terminal would obey",
      file({ "\x9b2J\u202e\u2028": 1 }, 0),
      /^Tensor "\\u009b2J\\u202e\\u2028" in .*expected a JSON object$/,
    ],
    ["bad JSON", file("{", 0), /not valid JSON/],
    ["not an object", file("[]", 0), /expected a JSON object/],
    ["null", file("null", 0), /expected a JSON object/],
    ["entry not an object", file({ w: 1 }, 0), /"w".*expected a JSON object/],
    ["no dtype", file({ w: { shape: [], data_offsets: [0, 1] } }, 1), /"w".*"dtype"/],
    ["unknown dtype", file({ w: tensor([1], 0, 1, "F8_E4M3") }, 1), /"w".*"F8_E4M3" is not one of F64/],
    ["dtype of the prototype", file({ w: tensor([1], 0, 1, "toString") }, 1), /"toString" is not one of/],
    ["negative size", file({ w: tensor([-1], 0, 1) }, 1), /"w".*"shape"/],
    ["fractional size", file({ w: tensor([0.5], 0, 1) }, 1), /"w".*"shape"/],
    ["huge size", file({ w: tensor([2 ** 60], 0, 1) }, 1), /"w".*"shape"/],
    ["overflowing product", file({ w: tensor([2 ** 40, 2 ** 40], 0, 1) }, 1), /its 1 bytes do not match/],
    ["shape not a list", file({ w: tensor("1", 0, 1) }, 1), /"w".*"shape"/],
    ["shape and size disagree", file({ w: tensor([3], 0, 4) }, 4), /its 4 bytes do not match U8 of shape \[3\]/],
    ["dtype and size disagree", file({ w: tensor([4], 0, 4, "F16") }, 4), /F16 of shape \[4\]/],
    ["offsets past the end", file({ w: tensor([4], 0, 4) }, 3), /"w".*within the 3 bytes of data/],
    ["offsets reversed", file({ w: tensor([1], 2, 1) }, 3), /"w".*"data_offsets"/],
    ["negative offset", file({ w: tensor([1], -1, 0) }, 3), /"w".*"data_offsets"/],
    ["three offsets", file({ w: { dtype: "U8", shape: [1], data_offsets: [0, 1, 2] } }, 3), /"data_offsets"/],
    ["overlap", file({ a: tensor([2], 0, 2), b: tensor([2], 1, 3) }, 3), /"b".*overlaps/],
    ["same place", file({ a: tensor([2], 0, 2), b: tensor([2], 0, 2) }, 2), /overlaps/],
    ["gap", file({ a: tensor([1], 0, 1), b: tensor([1], 2, 3) }, 3), /"b".*gap/],
    ["bytes behind the tensors", file({ a: tensor([1], 0, 1) }, 2), /its tensors end at byte/],
    ["deep nesting", file(`{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}`, 0), /"a".*expected a JSON object/],
  ];
  for (const [name, bytes, message] of cases) {
    test(name, (t) => rejectsInvalid(readSafetensors(fileOf(t, bytes)), message));
  }
});

test("a cut-off download is refused at every length", async (t) => {
  const whole = file({ a: tensor([4], 0, 4), b: tensor([4], 4, 8) }, 8);
  for (let length = 0; length < whole.length; length++) {
    await rejectsInvalid(readSafetensors(fileOf(t, whole.subarray(0, length))), /./);
  }
});

test("damaged files give a coded error or nothing", async (t) => {
  const original = readFileSync(fixture("clip-legacy/model.safetensors"));
  const region: [number, number] = [0, 8 + Number(original.readBigUInt64LE())];
  await survivesDamage(t, original, "model.safetensors", readSafetensors, { rounds: 300, region });
});
