import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inflateSync } from "node:zlib";
import { test } from "vitest";
import { decodeImage } from "../../lib/input/decode.js";

interface Expected {
  width: number;
  height: number;
  /** What Pillow sees: interleaved RGB, compressed and in base64. */
  rgb: string;
}

const folder = new URL("../fixtures/tools/", import.meta.url);
const { files }: { files: Record<string, Expected | null> } = JSON.parse(
  readFileSync(new URL("expected.json", folder), "utf8"),
);

/** Levels by which pixels may differ: rounding of colour conversions, which both sides do. */
function tolerance(name: string): number {
  if (name.includes("ycbcr")) return 1;
  return name.endsWith(".avif") ? 3 : 0;
}

/** What the message says about a picture that is refused. */
const REFUSALS: Record<string, RegExp> = {
  "avif-premultiplied.avif": /has colours multiplied by alpha, which is not supported/,
  "heic.heic": /is a HEIC picture .*which is not supported: convert it/,
  "svg.svg": /is an SVG or another XML file/,
  "tiff-4bit-rgb.tiff": /has 4-bit colour samples/,
  "tiff-lab.tiff": /has Lab colours/,
  "tiff-lzma.tiff": /has LZMA compression/,
  "tiff-zstd.tiff": /has Zstandard compression/,
};

test.each(Object.keys(files))("%s", async (name) => {
  const expected = files[name];
  const decoded = decodeImage(fileURLToPath(new URL(name, folder)));
  if (!expected) {
    await assert.rejects(decoded, { code: "ERR_IMAGE_DECODE", message: REFUSALS[name] ?? /no refusal is known/ });
    return;
  }
  const { data, width, height } = await decoded;
  assert.deepEqual([width, height], [expected.width, expected.height]);
  const pixels = inflateSync(Buffer.from(expected.rgb, "base64"));
  assert.equal(data.length, pixels.length);
  const most = pixels.reduce((most, value, index) => Math.max(most, Math.abs(value - data[index]!)), 0);
  assert.ok(most <= tolerance(name), `differs by ${most} levels`);
});

test("files of each kind are there", () => {
  assert.ok(Object.keys(files).length >= 50);
});

const bmp = (name: string) => readFileSync(new URL(`bmp-${name}.bmp`, folder));

test("damaged BMPs are refused, and cost no more memory than the file", async () => {
  for (const name of [
    "pillow-rgb",
    "pillow-palette",
    "pillow-bit",
    "magick-200-rle",
    "magick-16-rle",
    "magick-rgb565",
  ]) {
    const whole = bmp(name);
    for (const length of [10, 18, 30, 54, whole.readUInt32LE(10) + 3, whole.length - 40]) {
      await assert.rejects(decodeImage(whole.subarray(0, length)), { code: "ERR_IMAGE_DECODE" }, `${name} ${length}`);
    }
  }
  const huge = Buffer.from(bmp("pillow-rgb"));
  huge.writeInt32LE(7000, 18);
  huge.writeInt32LE(7000, 22);
  await assert.rejects(decodeImage(huge), { code: "ERR_IMAGE_DECODE", message: /damaged or cut short/ });
  huge.writeInt32LE(1_000_000, 18);
  huge.writeInt32LE(1_000_000, 22);
  await assert.rejects(decodeImage(huge), { code: "ERR_IMAGE_TOO_LARGE" });
  huge.writeInt32LE(0, 22);
  await assert.rejects(decodeImage(huge), { code: "ERR_IMAGE_DECODE" });
  huge.writeUInt32LE(9, 30);
  huge.writeInt32LE(5, 22);
  await assert.rejects(decodeImage(huge), { code: "ERR_IMAGE_DECODE", message: /compression 9 with 24 bits/ });
});
