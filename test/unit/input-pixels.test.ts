import assert from "node:assert/strict";
import sharp from "sharp";
import { test } from "vitest";
import { decodeImage } from "../../lib/input/decode.js";
import { difference, expectedPictures, expectedPixels, pictureBytes, picturePath } from "../fixtures/pictures.js";

/**
 * Greatest and mean difference that is allowed, in levels; none where a picture is not listed. Only AVIF differs: the
 * arithmetic of its colour conversion by 1, and its subsampled chroma, which libheif repeats and libavif interpolates
 * (the fixture is 37 pixels wide with a hard-edged disc: the worst case).
 */
const TOLERANCE: Record<string, { max: number; mean: number }> = {
  "avif.avif": { max: 90, mean: 7 },
  "avif-444.avif": { max: 1, mean: 0.3 },
  "avif-alpha.avif": { max: 1, mean: 0.3 },
  "avif-exif-6.avif": { max: 1, mean: 0.3 },
};

for (const [name, { width, height, rule }] of Object.entries(expectedPictures)) {
  test(`${name} decodes to the expected pixels (${rule})`, async () => {
    const image = await decodeImage(picturePath(name));
    assert.deepEqual([image.width, image.height], [width, height]);
    const { max, mean } = difference(image.data, expectedPixels(name));
    const allowed = TOLERANCE[name] ?? { max: 0, mean: 0 };
    assert.ok(max <= allowed.max && mean <= allowed.mean, `differs by ${max} at most, ${mean} in the mean`);
  });
}

test("an orientation in XMP counts where EXIF has none", async () => {
  for (let orientation = 1; orientation <= 8; orientation++) {
    const image = await decodeImage(withXmpOrientation(pictureBytes("jpeg-420.jpg"), orientation));
    assert.equal(difference(image.data, expectedPixels(`jpeg-exif-${orientation}.jpg`)).max, 0, `${orientation}`);
  }
});

test("the colour profile of the fixture would show if it were applied", async () => {
  const applied = await sharp(pictureBytes("jpeg-icc.jpg")).raw().toBuffer();
  assert.ok(difference(applied, expectedPixels("jpeg-icc.jpg")).mean > 10);
});

test("large CMYK pictures are converted whole", async () => {
  const size = { width: 500, height: 300 };
  const cmyk = await sharp({ create: { ...size, channels: 3, background: "#336699" } })
    .toColourspace("cmyk")
    .tiff()
    .toBuffer();
  const image = await decodeImage(cmyk);
  assert.equal(image.data.length, size.width * size.height * 3);
  const first = image.data.slice(0, 3);
  assert.ok(image.data.every((value, index) => value === first[index % 3]));
});

function withXmpOrientation(jpeg: Buffer, orientation: number): Buffer {
  const packet = Buffer.from(`http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="${orientation}"/>`, "latin1");
  const header = Buffer.from([0xff, 0xe1, 0, packet.length + 2]);
  return Buffer.concat([jpeg.subarray(0, 2), header, packet, jpeg.subarray(2)]);
}
