import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import sharp from "sharp";
import { afterAll, test } from "vitest";
import type { ErrorCode } from "../../lib/common/errors.js";
import { decodeImage } from "../../lib/input/decode.js";
import { MAX_ENCODED_BYTES } from "../../lib/input/limits.js";
import type { DecodeOptions, ImageInput } from "../../lib/input/types.js";
import { expectedPictures, pictureBytes, picturePath } from "../fixtures/pictures.js";

const folder = mkdtempSync(join(tmpdir(), "clip-blip-input-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function fails(input: ImageInput, code: ErrorCode, message: RegExp, options?: DecodeOptions): Promise<void> {
  await assert.rejects(decodeImage(input, options), { name: "ClipBlipError", code, message });
}

const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';

test("what is no picture is refused with the name of the source", async () => {
  await fails(file("notes.txt", "hello"), "ERR_IMAGE_DECODE", /notes\.txt" is not a picture in a supported format/);
  await fails(file("empty.jpg", ""), "ERR_IMAGE_DECODE", /empty\.jpg" is empty \(0 bytes\)/);
  await fails(Buffer.from("hello"), "ERR_IMAGE_DECODE", /^buffer is not a picture/);
  await fails(new Uint8Array(), "ERR_IMAGE_DECODE", /^buffer is empty/);
  await fails(new File(["text"], "cat.png"), "ERR_IMAGE_DECODE", /^"cat\.png" is not a picture/);
  await fails(new Blob([]), "ERR_IMAGE_DECODE", /^blob is empty/);
  await fails("data:,", "ERR_IMAGE_DECODE", /^data URL is empty/);
  await fails("data:image/png;base64", "ERR_IMAGE_DECODE", /no comma/);
});

test("formats outside the list never reach a decoder, and are refused by name", async () => {
  for (const [start, message] of [
    [SVG, /is an SVG or another XML file, which is not supported: convert it to one of JPEG, PNG/],
    [`<?xml version="1.0"?>${SVG}`, /is an SVG or another XML file/],
    ["<!DOCTYPE html><html>", /is a web page/],
    ["%PDF-1.7\n", /is a PDF/],
    ["P6 1 1 255\nabc", /is a PNM picture/],
    ["BM6\0\0\0", /is a BMP of an unknown kind/],
    ["\0\0\0\x18ftypheic\0\0\0\0mif1heic", /is a HEIC picture/],
    ["\0\0\0\x18ftypisom", /is a video/],
    ["\0\0\0\x0cjP  \r\n\x87\n", /is a JPEG 2000 picture/],
    ["\xff\n\0", /is a JPEG XL picture/],
    ["\0\0\x01\0\x01\0 ", /is an icon/],
    ["8BPS\0\x01", /is a Photoshop document/],
    ["no picture at all", /is not a picture in a supported format: JPEG, PNG, WebP, GIF, TIFF, AVIF or BMP\.$/],
  ] as const) {
    await fails(Buffer.from(start, "latin1"), "ERR_IMAGE_DECODE", message);
  }
});

test("paths that cannot be read say why", async () => {
  await fails(join(folder, "none.jpg"), "ERR_IMAGE_NOT_FOUND", /There is no file ".*none\.jpg"; check the path/);
  await fails(join(picturePath("gif.gif"), "x"), "ERR_IMAGE_NOT_FOUND", /There is no file/);
  await fails(folder, "ERR_IMAGE_DECODE", /is a folder/);
  await fails("/dev/null", "ERR_IMAGE_DECODE", /is not a regular file/);
});

test("files cut short are refused in every format", async () => {
  for (const name of Object.keys(expectedPictures)) {
    // Half of an animated GIF still holds its first frame, and is a picture for Pillow too.
    const bytes = pictureBytes(name);
    await fails(bytes.subarray(0, bytes.length / 4), "ERR_IMAGE_DECODE", /^buffer .*(?:damaged|cut short)/);
    await fails(bytes.subarray(0, 16), "ERR_IMAGE_DECODE", /^buffer /);
  }
});

test("the native text is the cause", async () => {
  await assert.rejects(decodeImage(pictureBytes("png-rgb.png").subarray(0, 300)), (error: Error) => {
    assert.ok(error.cause instanceof Error && error.cause.message.length > 0);
    return true;
  });
});

test("too many pixels are refused before they are decoded", async () => {
  const bomb = await sharp({
    create: { width: 17000, height: 17000, channels: 3, background: "#fff" },
    limitInputPixels: false,
  })
    .png()
    .toBuffer();
  const [memory, time] = [process.memoryUsage().rss, performance.now()];
  await fails(bomb, "ERR_IMAGE_TOO_LARGE", /has 17000 x 17000 pixels, more than the 50000000 allowed/);
  assert.ok(performance.now() - time < 1000);
  assert.ok(process.memoryUsage().rss - memory < 50e6);

  const options = { maxPixels: 37 * 26 - 1 };
  await decodeImage(picturePath("jpeg-420.jpg"), { maxPixels: 37 * 26 });
  for (const name of [
    "jpeg-420.jpg",
    "png-rgb.png",
    "gif.gif",
    "gif-small-frame.gif",
    "webp-animated.webp",
    "avif.avif",
  ]) {
    await fails(picturePath(name), "ERR_IMAGE_TOO_LARGE", /has 37 x 26 pixels/, options);
  }
  const raw = { data: new Uint8Array(37 * 26), width: 37, height: 26, channels: 1 } as const;
  await fails(raw, "ERR_IMAGE_TOO_LARGE", /raw pixels has 37 x 26/, options);
  await fails(sharp(pictureBytes("gif.gif")), "ERR_IMAGE_TOO_LARGE", /sharp pipeline has 37 x 26/, options);
});

test("streams have a limit, and are destroyed past it", async () => {
  const chunk = new Uint8Array(64 * 1024 * 1024);
  const chunks = MAX_ENCODED_BYTES / chunk.length + 1;
  const stream = Readable.from(Array.from({ length: chunks }, () => chunk));
  await fails(stream, "ERR_IMAGE_TOO_LARGE", /^stream is larger than 512 MiB/);
  assert.ok(stream.destroyed);
});

test("streams that fail, give text or were read already are told apart", async () => {
  const broken = new Readable({ read: () => broken.destroy(new Error("disk on fire")) });
  await fails(broken, "ERR_IMAGE_DECODE", /^stream broke off before its end: disk on fire/);
  await fails(Readable.from(["text"]), "ERR_IMAGE_DECODE", /text or objects, not bytes/);
  const used = Readable.from([Buffer.from("x")]);
  for await (const _ of used);
  await fails(used, "ERR_INVALID_ARGUMENT", /already read or closed/);
  const web = new Blob(["x"]).stream();
  web.getReader();
  await fails(web, "ERR_INVALID_ARGUMENT", /already read or closed/);
});

test("a sharp pipeline that fails is an undecodable picture", async () => {
  await fails(sharp(Buffer.from("text")), "ERR_IMAGE_DECODE", /^sharp pipeline cannot be decoded/);
});

test("a signal rejects with its reason", async () => {
  const reason = new Error("enough");
  const path = picturePath("jpeg-420.jpg");
  await assert.rejects(decodeImage(path, { signal: AbortSignal.abort(reason) }), reason);
  const endless = [
    new Readable({ read: () => {} }),
    new ReadableStream<Uint8Array>({ pull: () => new Promise(() => {}) }),
  ];
  for (const input of [path, ...endless]) {
    const controller = new AbortController();
    const result = decodeImage(input, { signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    if (input === path) controller.abort(reason);
    await assert.rejects(result, reason);
  }
  assert.ok((endless[0] as Readable).destroyed);
});
