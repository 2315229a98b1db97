import assert from "node:assert/strict";
import sharp from "sharp";
import { test } from "vitest";
import { assertDecodeOptions, assertImageInput } from "../../lib/input/assert.js";
import { decodeImage } from "../../lib/input/decode.js";
import type { ImageInput } from "../../lib/input/types.js";

const raw = { data: new Uint8Array(12), width: 2, height: 2, channels: 3 };
const invalid = { name: "ClipBlipError", code: "ERR_INVALID_ARGUMENT" } as const;

test("pictures of every kind pass, unread", () => {
  const inputs = [
    "a.jpg",
    "C:\\a.jpg",
    "file:///a.jpg",
    new URL("https://example.org/a.jpg"),
    "data:,",
    Buffer.alloc(0),
  ];
  for (const input of [...inputs, new Float32Array(1), new Blob([]), sharp(), raw])
    assertImageInput(input, "images[0]");
});

test("other types do not", () => {
  const wrong = [
    undefined,
    null,
    0,
    7,
    Number.NaN,
    true,
    Symbol("x"),
    10n,
    () => {},
    {},
    [],
    ["a.jpg"],
    new Map(),
    new Date(),
  ];
  for (const value of [...wrong, Object.create(null), { type: "Buffer", data: [1] }, Promise.resolve("a.jpg")]) {
    assert.throws(() => assertImageInput(value, "images[3]"), {
      ...invalid,
      message: /^Expected a path, .* for images\[3\] but received /,
    });
  }
});

test("strings and URLs that point nowhere do not", () => {
  const wrong = [
    "",
    "a\0b",
    "ftp://example.org/a.jpg",
    "s3://bucket/a.jpg",
    "blob:nodedata:x",
    "http://",
    "file:///%00",
  ];
  for (const value of [...wrong, new URL("ftp://example.org"), "file://host/share/a.jpg"]) {
    assert.throws(() => assertImageInput(value, "image"), invalid, String(value));
  }
});

test("every field of raw pixels is checked", () => {
  const sizes = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53 + 1, "2", null, undefined, 2n, [2]];
  for (const size of sizes) {
    assert.throws(() => assertImageInput({ ...raw, width: size }, "x"), {
      ...invalid,
      message: / for x\.width but received /,
    });
    assert.throws(() => assertImageInput({ ...raw, height: size }, "x"), {
      ...invalid,
      message: / for x\.height but received /,
    });
  }
  for (const channels of [0, 2, 5, "3", Number.NaN, null]) {
    assert.throws(() => assertImageInput({ ...raw, channels }, "x"), {
      ...invalid,
      message: / for x\.channels but received /,
    });
  }
  const datas = [
    "x".repeat(12),
    null,
    undefined,
    12,
    Array(12),
    new Float32Array(3),
    new Uint16Array(6),
    new Int8Array(12),
  ];
  for (const data of datas) {
    assert.throws(() => assertImageInput({ ...raw, data }, "x"), { ...invalid, message: / for x\.data but received / });
  }
  for (const length of [0, 11, 13]) {
    const message = /^x\.data has \d+ bytes, not width \* height \* channels = 12/;
    assert.throws(() => assertImageInput({ ...raw, data: new Uint8Array(length) }, "x"), { ...invalid, message });
  }
  assert.throws(() => assertImageInput({ ...raw, width: 2 ** 52, height: 2 ** 52 }, "x"), invalid);
});

test("detached memory is told", async () => {
  const data = new Uint8Array(12);
  structuredClone(data.buffer, { transfer: [data.buffer] });
  assert.throws(() => assertImageInput({ ...raw, data }, "x"), { ...invalid, message: /was its memory transferred/ });
  await assert.rejects(decodeImage(data), { code: "ERR_IMAGE_DECODE", message: /is empty/ });
});

test("remote URLs need allowRemote", async () => {
  const url = "https://example.org/secret.jpg?token=1";
  assertImageInput(url, "image");
  const refused = { ...invalid, message: /remote URL; set allowRemote: true/ };
  assert.throws(() => assertImageInput(url, "image", {}), refused);
  assertImageInput(url, "image", { allowRemote: true });
  await assert.rejects(decodeImage(url), refused);
  await assert.rejects(decodeImage(new URL(url), { allowRemote: false }), refused);
});

test("options are checked", async () => {
  const wrong = [
    null,
    1,
    { allowRemote: 1 },
    { maxPixels: 0 },
    { maxPixels: Number.NaN },
    { maxPixels: "9" },
    { signal: {} },
  ];
  for (const options of wrong) {
    assert.throws(() => assertDecodeOptions(options), invalid, JSON.stringify(options));
    await assert.rejects(decodeImage("a.jpg", options as object), invalid);
  }
  await assert.rejects(decodeImage(7 as unknown as ImageInput), invalid);
});

test("an error shows a wrong value on one line, cut, and runs nothing of the caller's for it", () => {
  const custom = { [Symbol.for("nodejs.util.inspect.custom")]: () => assert.fail("it was run") };
  const wide = Object.fromEntries(Array.from({ length: 500 }, (_, key) => [`key${key}`, key]));
  for (const value of [custom, wide, new Map([[custom, wide]]), "x".repeat(1000).split(""), new Error("one\ntwo")]) {
    assert.throws(
      () => assertImageInput(value, "image"),
      ({ message }: Error) => !message.includes("\n") && message.length < 350,
    );
  }
});
