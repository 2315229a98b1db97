// Of a large picture only the columns that the crop needs are taken: the result is that of the whole picture.
import assert from "node:assert/strict";
import sharp, { type Sharp } from "sharp";
import { beforeAll, describe, it } from "vitest";
import type { PreprocessPlan } from "../../dist/checkpoint/preprocessor-config.js";
import { decodeImage } from "../../dist/input/decode.js";
import { ImageReader } from "../../dist/models/image-reader.js";
import { native } from "../../dist/native/instance.js";
import type { NativeBinding } from "../../dist/native/types.js";
import { random } from "../unit/support/engine.js";

const side = 224;
const plan: PreprocessPlan = {
  resize: { resize: { shortestEdge: side }, resample: "bicubic", crop: { height: side, width: side } },
  normalize: { scale: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1] },
  height: side,
  width: side,
};
const never = new AbortController().signal;

/** Noise over shapes, so that no two columns are alike. */
function drawing(width: number, height: number, channels: 3 | 4): Sharp {
  const next = random(width * height + channels);
  const data = Uint8Array.from({ length: width * height * channels }, (_, index) => (index >> 5) ^ (next() * 64));
  return sharp(data, { raw: { width, height, channels } });
}

const wide = () => drawing(1600, 900, 3);
const pictures: [what: string, make: () => Promise<Buffer>, cut: boolean][] = [
  ["a JPEG", () => wide().jpeg().toBuffer(), true],
  ["a grey JPEG", () => wide().greyscale().jpeg().toBuffer(), true],
  ["a CMYK JPEG", () => wide().toColourspace("cmyk").jpeg().toBuffer(), true],
  ["a progressive JPEG", () => wide().jpeg({ progressive: true }).toBuffer(), true],
  ["a PNG with alpha", () => drawing(1300, 800, 4).png().toBuffer(), true],
  ["a PNG of 16 bits", () => wide().toColourspace("rgb16").png().toBuffer(), true],
  ["an interlaced PNG with a palette", () => wide().png({ palette: true, progressive: true }).toBuffer(), true],
  ["a WebP", () => wide().webp().toBuffer(), true],
  ["a TIFF", () => wide().tiff({ compression: "lzw" }).toBuffer(), true],
  ["a strip", () => drawing(9000, 120, 3).jpeg().toBuffer(), true],
  ["a tall JPEG, which needs all columns", () => drawing(900, 1600, 3).jpeg().toBuffer(), false],
  ["a square JPEG", () => drawing(1100, 1100, 3).jpeg().toBuffer(), false],
  ["a small JPEG", () => drawing(600, 400, 3).jpeg().toBuffer(), false],
  ["an animated GIF", () => wide().gif().toBuffer(), false],
  ...[2, 3, 6, 8].map((orientation): [string, () => Promise<Buffer>, boolean] => [
    `a JPEG of orientation ${orientation}`,
    () => wide().jpeg().withMetadata({ orientation }).toBuffer(),
    false,
  ]),
];

describe("a large picture", () => {
  let binding: NativeBinding;
  let given: number[];
  beforeAll(() => {
    const { neededColumns, preprocess } = native();
    binding = {
      ...native(),
      neededColumns,
      preprocess: (data, ...rest) => {
        given.push(data.length);
        return preprocess(data, ...rest);
      },
    };
  });

  for (const [what, make, cut] of pictures) {
    it(`${what}: the pixels are those of the whole picture${cut ? ", of which less was kept" : ""}`, async () => {
      given = [];
      const bytes = await make();
      const { data, width, height } = await decodeImage(bytes);
      const whole = await native().preprocess(data, width, height, plan.resize);
      assert.deepEqual(await new ImageReader(binding, plan).read(bytes, {}, never), whole.pixels);
      assert.equal(given[0]! < data.length, cut, `${given[0]} of ${data.length} bytes`);
    });
  }

  it("is decoded whole: damage in a column or row that is not needed is refused", async () => {
    const bytes = await wide().jpeg().toBuffer();
    for (const part of [0.5, 0.9, 0.99]) {
      const damaged = bytes.subarray(0, Math.floor(bytes.length * part));
      await assert.rejects(new ImageReader(binding, plan).read(damaged, {}, never) as Promise<Uint8Array>, {
        code: "ERR_IMAGE_DECODE",
      });
    }
  });

  it("that cannot be resized is refused as such", async () => {
    const bytes = await drawing(1, 1, 3).resize(16_000, 100, { fit: "fill" }).png().toBuffer();
    const odd = { ...plan, resize: { ...plan.resize, resize: { shortestEdge: 1 << 24 } } };
    await assert.rejects(new ImageReader(binding, odd).read(bytes, {}, never) as Promise<Uint8Array>, {
      name: "ClipBlipError",
    });
  });
});
