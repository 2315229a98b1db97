import assert from "node:assert/strict";
import { test } from "vitest";
import { readPickle } from "../../lib/checkpoint/weights/pickle.js";
import {
  PickleDict,
  PickleList,
  PickleModule,
  PickleTensor,
  PickleTuple,
} from "../../lib/checkpoint/weights/pickle-values.js";
import { ClipBlipError } from "../../lib/common/errors.js";

/** Puts a pickle together; text stands for its bytes. */
function pickle(...parts: (string | readonly number[])[]): Buffer {
  return Buffer.concat([
    Buffer.from([0x80, 2]),
    ...parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from(part))),
    Buffer.from("."),
  ]);
}

const text = (value: string) => ["X", [value.length, 0, 0, 0], value] as const;
const STORAGE = ["(", ...text("storage"), "ctorch\nFloatStorage\n", ...text("0"), ...text("cpu"), "K\x06", "tQ"];
const TENSOR = [
  "ctorch._utils\n_rebuild_tensor_v2\n",
  "(",
  ...STORAGE,
  "K\0",
  "K\x02K\x03\x86",
  "K\x03K\x01\x86",
  "\x89",
  "ccollections\nOrderedDict\n)R",
  "tR",
];

function refuses(bytes: Buffer, message: RegExp): void {
  assert.throws(
    () => readPickle(bytes),
    (error) => {
      assert.ok(error instanceof ClipBlipError, String(error));
      assert.equal(error.code, "ERR_MODEL_INVALID");
      assert.match(error.message, message);
      return true;
    },
  );
}

test("plain values", () => {
  assert.equal(readPickle(pickle("K\x07")), 7);
  assert.equal(readPickle(pickle("M\x01\x02")), 513);
  assert.equal(readPickle(pickle("J\xff\xff\xff\xff")), -1);
  assert.equal(readPickle(pickle("\x8a\x05\0\0\0\0\x01")), 2 ** 32);
  assert.equal(readPickle(pickle("\x8a\x01\xff")), -1);
  assert.equal(readPickle(pickle("\x8a\0")), 0);
  assert.equal(readPickle(pickle("G\x3f\xf8\0\0\0\0\0\0")), 1.5);
  assert.equal(readPickle(pickle("N")), null);
  assert.equal(readPickle(pickle("\x88")), true);
  assert.equal(readPickle(pickle(...text("abc"))), "abc");
});

test("tuples, dicts and the memo", () => {
  assert.deepEqual(readPickle(pickle("(K\x01K\x02K\x03K\x04t")), new PickleTuple([1, 2, 3, 4]));
  assert.deepEqual(readPickle(pickle("K\x01K\x02\x86")), new PickleTuple([1, 2]));
  assert.deepEqual(readPickle(pickle("K\x01q\x05K\x02h\x05\x87")), new PickleTuple([1, 2, 1]));
  const dict = readPickle(pickle("}q\0(", ...text("a"), "K\x01", ...text("b"), "K\x02u", ...text("c"), "K\x03s"));
  assert.ok(dict instanceof PickleDict);
  assert.deepEqual(
    [...dict.entries],
    [
      ["a", 1],
      ["b", 2],
      ["c", 3],
    ],
  );
});

test("a tensor, a parameter around it, and attributes of an OrderedDict", () => {
  const tensor = readPickle(pickle(...TENSOR));
  assert.ok(tensor instanceof PickleTensor);
  assert.deepEqual(
    [tensor.shape, tensor.strides, tensor.storage.dtype, tensor.storage.elements],
    [[2, 3], [3, 1], "F32", 6],
  );
  const parameter = readPickle(pickle("ctorch._utils\n_rebuild_parameter\n", ...TENSOR, "\x88N\x87R"));
  assert.ok(parameter instanceof PickleTensor);
  assert.ok(readPickle(pickle("ccollections\nOrderedDict\n)R}", ...text("_metadata"), "}sb")) instanceof PickleDict);
});

test("modules of TorchScript are their attributes, and lists are passed over", () => {
  const module = "c__torch__.torch.nn.modules.linear.___torch_mangle_3\nLinear\n)\x81";
  const outer = readPickle(
    pickle(
      "c__torch__\nCLIP\n)\x81}(",
      ...text("inner"),
      module,
      "}(",
      ...text("bias"),
      "K\x01ub",
      ...text("n"),
      "]ub",
    ),
  );
  assert.ok(outer instanceof PickleModule);
  const inner = outer.attributes.get("inner");
  assert.ok(inner instanceof PickleModule);
  assert.deepEqual([...inner.attributes], [["bias", 1]]);
  assert.ok(outer.attributes.get("n") instanceof PickleList);
  for (const list of ["](K\x01K\x02e", "]K\x01a", "ctorch.jit._pickle\nbuild_intlist\n](K\x01K\x02e\x85R"]) {
    assert.ok(readPickle(pickle(list)) instanceof PickleList);
  }
});

test("a dict that holds itself is read without end of stack", () => {
  const dict = readPickle(pickle("}q\0", ...text("self"), "h\0s"));
  assert.ok(dict instanceof PickleDict);
  assert.equal(dict.entries.get("self"), dict);
});

test("globals beyond those of a state dict are refused by name", () => {
  for (const [module, name] of [
    ["os", "system"],
    ["posix", "system"],
    ["builtins", "eval"],
    ["torch", "load"],
    ["torch._utils", "_rebuild_tensor_v3"],
    ["collections", "OrderedDict.fromkeys"],
    ["__proto__", "constructor"],
    ["__torch__x", "Module"],
    ["torch.jit._pickle", "build_everything"],
  ]) {
    refuses(pickle(`c${module}\n${name}\n`, ...text("true"), "\x85R"), new RegExp(`"${module}\\.${name}".*rejected`));
  }
});

test("every other instruction is refused by number", () => {
  const known = new Set(
    [..."\x80(N\x88\x89KMJ\x8aGX)t\x85\x86\x87]ae}suqrhjcQR\x81b."].map((char) => char.charCodeAt(0)),
  );
  for (let opcode = 0; opcode < 256; opcode++) {
    if (known.has(opcode)) continue;
    refuses(
      pickle([opcode], "\0".repeat(16)),
      new RegExp(`instruction 0x${opcode.toString(16).padStart(2, "0")} at byte 2`),
    );
  }
});

test("malformed pickles are refused", () => {
  refuses(Buffer.alloc(0), /truncated/);
  refuses(Buffer.from([0x80]), /truncated/);
  refuses(Buffer.from([0x80, 4, 0x4e, 0x2e]), /protocol 4/);
  refuses(pickle(), /empty stack/);
  refuses(pickle("t"), /lacks a mark/);
  refuses(pickle("(\x85"), /empty stack/);
  refuses(pickle("(("), /empty stack/);
  refuses(pickle("h\x07"), /uses memo entry 7/);
  refuses(pickle("K\x01K\x02K\x03s"), /not a dict/);
  refuses(pickle("}(K\x01u"), /not a dict/);
  refuses(pickle("}NK\x01s"), /key that is neither a string nor a number/);
  refuses(pickle("K\x01)R"), /not a function/);
  refuses(pickle("ccollections\nOrderedDict\nNR"), /not a function/);
  refuses(pickle("ccollections\nOrderedDict\n(K\x01tR"), /OrderedDict in a way/);
  refuses(pickle("K\x01}b"), /attributes/);
  refuses(pickle("c__torch__\nCLIP\n)\x81K\x01b"), /attributes/);
  refuses(pickle("ccollections\nOrderedDict\n)\x81"), /not a module/);
  refuses(pickle("c__torch__\nCLIP\n)R"), /not a function/);
  refuses(pickle("}K\x01a"), /not a list/);
  refuses(pickle("NQ"), /other than a tensor's storage/);
  refuses(
    pickle("(", ...text("module"), "ctorch\nFloatStorage\n", ...text("0"), ...text("cpu"), "K\x06tQ"),
    /other than a tensor's storage/,
  );
  refuses(pickle("ctorch._utils\n_rebuild_tensor_v2\n)R"), /tensor in a way/);
  refuses(pickle("ctorch._utils\n_rebuild_parameter\nN\x85R"), /parameter from something other/);
  refuses(pickle("X\xff\xff\xff\xffabc"), /truncated/);
  refuses(pickle(`c${"a".repeat(500)}\nb\n`), /name without an end/);
  refuses(pickle("\x8a\xff", "\x7f".repeat(255)), /too large/);
});

test("bombs run into limits", () => {
  refuses(pickle("N".repeat(200_000)), /more than 100000 values on its stack/);
  refuses(pickle("(".repeat(200_000)), /too deeply/);
  const puts = Buffer.alloc(5 * 1_000_001, "r");
  for (let i = 0; i <= 1_000_000; i++) puts.writeUInt32LE(i, 5 * i + 1);
  refuses(Buffer.concat([Buffer.from([0x80, 2, 0x4e]), puts]), /memoizes more than 1000000/);
  // A number of the memo, or a key, that is chosen to collide with others.
  refuses(pickle("Nr\xff\xff\xff\xff"), /memoizes more than 1000000/);
  assert.deepEqual(readPickle(pickle("}(K\x01N", ...text("a"), "Nu")), readPickle(pickle("}", ...text("a"), "Ns")));
  // A tuple of many numbers, which each of many tensors would copy.
  const [global, storage] = ["ctorch._utils\n_rebuild_tensor_v2\n", STORAGE];
  const tensor = (rank: number) => pickle(global, "(", ...storage, "K\0", `(${"K\x01".repeat(rank)}tq\0h\0t`, "R");
  assert.ok(readPickle(tensor(64)) instanceof PickleTensor);
  refuses(tensor(65), /tensor in a way/);
  // Each round doubles what the tuple would hold if it were copied; it refers instead.
  const tuple = readPickle(pickle("N\x85q\0", "h\0h\0\x86q\0".repeat(10_000)));
  assert.ok(tuple instanceof PickleTuple);
  // So deep that nothing may walk through it.
  assert.ok(readPickle(pickle("N", "\x85".repeat(1_000_000))) instanceof PickleTuple);
});
