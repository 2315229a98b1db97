import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import sharp, { type Sharp } from "sharp";
import { test } from "vitest";
import { decodeImage } from "../../lib/input/decode.js";
import type { ImageInput } from "../../lib/input/types.js";
import { difference, expectedPixels, pictureBytes, picturePath } from "../fixtures/pictures.js";

const NAME = "jpeg-420.jpg";
const bytes = pictureBytes(NAME);
const path = picturePath(NAME);
const base64 = bytes.toString("base64");

/** The bytes as elements of another size, padded behind the end of the picture, where a decoder looks no more. */
function padded(multiple: number): ArrayBuffer {
  const buffer = new ArrayBuffer(Math.ceil(bytes.length / multiple) * multiple);
  new Uint8Array(buffer).set(bytes);
  return buffer;
}

function inMiddleOfBuffer(): Uint8Array {
  const whole = new Uint8Array(bytes.length + 20).fill(7);
  whole.set(bytes, 11);
  return whole.subarray(11, 11 + bytes.length);
}

function sharedCopy(): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(bytes.length);
  new Uint8Array(shared).set(bytes);
  return shared;
}

function percentEncoded(): string {
  return [...bytes].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}

const sources: Record<string, () => ImageInput> = {
  path: () => path,
  "file: URL as a string": () => pathToFileURL(path).href,
  "file: URL": () => pathToFileURL(path),
  "data: URL": () => `data:image/jpeg;base64,${base64}`,
  "data: URL as a URL": () => new URL(`data:image/jpeg;base64,${base64}`),
  "data: URL without a type": () => `DATA:;base64,${base64}`,
  "data: URL with escaped base64": () => `data:image/jpeg;base64,${encodeURIComponent(base64)}`,
  "data: URL, percent-encoded": () => `data:image/jpeg,${percentEncoded()}`,
  Buffer: () => bytes,
  "Uint8Array in the middle of a buffer": inMiddleOfBuffer,
  Uint8ClampedArray: () => new Uint8ClampedArray(bytes),
  Int8Array: () => new Int8Array(bytes),
  Uint16Array: () => new Uint16Array(padded(2)),
  Float64Array: () => new Float64Array(padded(8)),
  DataView: () => new DataView(padded(1)),
  ArrayBuffer: () => padded(1),
  SharedArrayBuffer: sharedCopy,
  Blob: () => new Blob([bytes]),
  File: () => new File([bytes], "a.jpg"),
  "Node stream of a file": () => createReadStream(path),
  "Node stream of chunks": () => Readable.from([bytes.subarray(0, 100), bytes.subarray(100)]),
  "web stream": () => new Blob([bytes]).stream(),
  "sharp instance": () => sharp(bytes),
  "sharp stream": () => createReadStream(path).pipe(sharp()),
};

for (const [name, open] of Object.entries(sources)) {
  test(`a picture comes in as ${name}`, async () => {
    const image = await decodeImage(open());
    assert.deepEqual([image.width, image.height], [37, 26]);
    assert.ok(image.data instanceof Uint8Array && !Buffer.isBuffer(image.data));
    assert.equal(difference(image.data, expectedPixels(NAME)).max, 0);
  });
}

test("the output of a sharp pipeline is used, and the instance stays usable", async () => {
  const pipeline = sharp(bytes).resize(10, 5, { fit: "fill" }).greyscale().png();
  const image = await decodeImage(pipeline);
  assert.deepEqual([image.width, image.height, image.data.length], [10, 5, 150]);
  assert.equal(image.data[0], image.data[1]);
  assert.equal((await sharp(await pipeline.toBuffer()).metadata()).format, "png");
});

test("pipelines of one channel, of 16 bits and of CMYK give RGB", async () => {
  const channel = await decodeImage(sharp(bytes).extractChannel(0));
  const expected = expectedPixels(NAME);
  assert.ok(channel.data.every((value, index) => value === expected[index - (index % 3)]));
  const options: ((image: Sharp) => Sharp)[] = [
    (image) => image.toColourspace("rgb16").raw({ depth: "ushort" }),
    (image) => image.toColourspace("cmyk").jpeg(),
    (image) => image.ensureAlpha(0.5).png(),
  ];
  for (const change of options) {
    assert.equal(difference((await decodeImage(change(sharp(bytes)))).data, expected).max, 0);
  }
});

test("raw grey is repeated, raw alpha dropped, raw RGB copied", async () => {
  const grey = await decodeImage({ data: Uint8Array.of(0, 100, 255), width: 3, height: 1, channels: 1 });
  assert.deepEqual([...grey.data], [0, 0, 0, 100, 100, 100, 255, 255, 255]);
  const rgba = Uint8ClampedArray.of(1, 2, 3, 0, 250, 128, 7, 9);
  assert.deepEqual(
    [...(await decodeImage({ data: rgba, width: 1, height: 2, channels: 4 })).data],
    [1, 2, 3, 250, 128, 7],
  );
  const rgb = Uint8Array.of(1, 2, 3, 4, 5, 6);
  const shared = new SharedArrayBuffer(6);
  new Uint8Array(shared).set(rgb);
  for (const data of [rgb, rgb.buffer, shared]) {
    const image = await decodeImage({ data, width: 2, height: 1, channels: 3 });
    assert.deepEqual([...image.data], [...rgb]);
    assert.notEqual(image.data.buffer, rgb.buffer);
  }
});

test("memory of the caller may be changed and transferred once the call has returned", async () => {
  const encoded = new Uint8Array(bytes);
  const raw = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const results = [decodeImage(encoded), decodeImage({ data: raw, width: 2, height: 1, channels: 4 })] as const;
  raw.fill(0);
  structuredClone(encoded.buffer, { transfer: [encoded.buffer] });
  structuredClone(raw.buffer, { transfer: [raw.buffer] });
  const [fromEncoded, fromRaw] = await Promise.all(results);
  assert.equal(difference(fromEncoded.data, expectedPixels(NAME)).max, 0);
  assert.deepEqual([...fromRaw.data], [1, 2, 3, 5, 6, 7]);
});

test("what is given back can be transferred", async () => {
  const { data } = await decodeImage(path);
  assert.equal(structuredClone(data, { transfer: [data.buffer as ArrayBuffer] }).length, 37 * 26 * 3);
});
