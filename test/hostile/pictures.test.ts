import assert from "node:assert/strict";
import { deflateSync, gzipSync } from "node:zlib";
import type { ClipModel } from "clip-blip";
import sharp from "sharp";
import { afterAll, beforeAll, describe, it } from "vitest";
import { decodeImage } from "../../dist/input/decode.js";
import { pictureBytes } from "../fixtures/pictures.js";
import { assertSameVectors, demoPictures, loadClip } from "../library/models.js";
import { random } from "../unit/support/engine.js";
import { flipBit, outcomeOf, processorTime, refuses, residentBytes } from "./measure.js";

/** Bytes that hundreds of damaged pictures may leave behind in malloc. */
const LEFT_BEHIND = 64 << 20;

/** Milliseconds of processor time that a damaged picture may take. */
const AT_MOST = 100;

const FORMATS = [
  "jpeg-420.jpg",
  "jpeg-progressive.jpg",
  "png-rgb.png",
  "webp-lossy.webp",
  "webp-lossless.webp",
  "gif.gif",
  "tiff-lzw.tiff",
  "tiff-jpeg.tiff",
  "avif.avif",
];

describe("damaged pictures", () => {
  // The first of each format pays for what its decoder sets up.
  beforeAll(() => Promise.all(FORMATS.map((name) => decodeImage(pictureBytes(name)))));

  for (const name of FORMATS) {
    it(`${name} cut at 20 places is refused, and with 200 bits flipped a picture or refused`, async () => {
      const bytes = pictureBytes(name);
      const intact = await decodeImage(bytes);
      const next = random(1);
      const resident = residentBytes();
      for (let part = 0; part < 20; part++) {
        await refuses(() => decodeImage(bytes.subarray(0, Math.floor((bytes.length * part) / 20))), "ERR_IMAGE_DECODE");
      }
      for (let flip = 0; flip < 200; flip++) {
        const { value: outcome, time } = await processorTime(() => outcomeOf(() => decodeImage(flipBit(bytes, next))));
        assert.ok(time < AT_MOST, `flip ${flip} took ${time} ms`);
        if ("error" in outcome) assert.match(outcome.error.code, /^ERR_IMAGE_(DECODE|TOO_LARGE)$/);
        else assert.equal(outcome.value.data.length, outcome.value.width * outcome.value.height * 3);
      }
      assert.ok(residentBytes() - resident < LEFT_BEHIND);
      assert.deepEqual(await decodeImage(bytes), intact);
    });
  }
});

/** `bytes` with a big- or little-endian number in place of another, at every place where that one is. */
function patched(bytes: Uint8Array, from: number[], to: number[]): Buffer {
  const copy = Buffer.from(bytes);
  const wanted = Buffer.from(from);
  for (let at = copy.indexOf(wanted); at >= 0; at = copy.indexOf(wanted, at + to.length))
    Buffer.from(to).copy(copy, at);
  return copy;
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const frame = Buffer.alloc(body.length + 8);
  frame.writeUInt32BE(data.length, 0);
  body.copy(frame, 4);
  frame.writeUInt32BE(crc32(body), frame.length - 4);
  return frame;
}

/** As PNG defines it; zlib.crc32 came with Node 22. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function png(width: number, height: number, more: Buffer[] = [], rows = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    ...more,
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** A GIF of single black pixels, one a frame. */
function gifOfFrames(frames: number): Buffer {
  const screen = Buffer.from("4749463839610100010080000000000000000021ff0b4e45545343415045322e300301000000", "hex");
  // A delay, a place, and the codes "clear, 0, end".
  const frame = Buffer.from("21f904000a0000002c00000000010001000002024401" + "00", "hex");
  return Buffer.concat([screen, ...Array(frames).fill(frame), Buffer.from([0x3b])]);
}

describe("pictures of extreme sizes", () => {
  const zeros = deflateSync(Buffer.alloc(100e6), { level: 9 });
  const profile = Buffer.concat([Buffer.from("bomb\0\0", "latin1"), zeros]);
  const bombs: [string, () => Buffer][] = [
    ["a PNG that claims 2^31 - 1 x 2^31 - 1", () => png(2 ** 31 - 1, 2 ** 31 - 1)],
    ["a PNG that claims 100,000 x 100,000", () => png(100_000, 100_000)],
    ["a PNG of 50,000,001 x 1", () => png(50_000_001, 1)],
    // The frame header of baseline JPEG: precision, height 26, width 37.
    [
      "a JPEG that claims 65,500 x 65,500",
      () => patched(pictureBytes("jpeg-420.jpg"), [8, 0, 26, 0, 37], [8, 255, 220, 255, 220]),
    ],
    ["a GIF that claims 65,535 x 65,535", () => patched(pictureBytes("gif.gif"), [37, 0, 26, 0], [255, 255, 255, 255])],
    // ispe: width and height as 32-bit numbers.
    [
      "an AVIF that claims 65,536 x 65,536",
      () => patched(pictureBytes("avif.avif"), [0, 0, 0, 37, 0, 0, 0, 26], [0, 1, 0, 0, 0, 1, 0, 0]),
    ],
    // The frame header of VP8: start code, then 14 bits each.
    [
      "a WebP that claims 16,383 x 16,383",
      () => patched(pictureBytes("webp-lossy.webp"), [0x9d, 1, 0x2a, 37, 0, 26, 0], [0x9d, 1, 0x2a, 255, 63, 255, 63]),
    ],
    // ImageWidth and ImageLength of one directory entry each: tag, SHORT, one value.
    [
      "a TIFF that claims 65,535 x 65,535",
      () =>
        patched(
          patched(pictureBytes("tiff-lzw.tiff"), [0, 1, 3, 0, 1, 0, 0, 0, 37, 0], [0, 1, 3, 0, 1, 0, 0, 0, 255, 255]),
          [1, 1, 3, 0, 1, 0, 0, 0, 26, 0],
          [1, 1, 3, 0, 1, 0, 0, 0, 255, 255],
        ),
    ],
  ];
  for (const [what, make] of bombs) {
    it(`${what} is refused before it is decoded`, async () => {
      const bytes = make();
      const resident = residentBytes();
      await refuses(() => decodeImage(bytes), "ERR_IMAGE_TOO_LARGE", "ERR_IMAGE_DECODE");
      assert.ok(residentBytes() - resident < LEFT_BEHIND);
    });
  }

  it("a PNG whose chunks unpack to 100 MB is read without them, or refused", async () => {
    const rows = Buffer.alloc(1 + 3);
    for (const type of ["iCCP", "zTXt", "iTXt"]) {
      const resident = residentBytes();
      const { value: outcome, time } = await processorTime(() =>
        outcomeOf(() => decodeImage(png(1, 1, [chunk(type, profile)], rows))),
      );
      if ("value" in outcome) assert.deepEqual([...outcome.value.data], [0, 0, 0]);
      assert.ok(time < AT_MOST, `${type} took ${time} ms`);
      assert.ok(residentBytes() - resident < LEFT_BEHIND, type);
    }
  });

  it("of 10,000 frames only the first is decoded", async () => {
    const { value: picture, time } = await processorTime(() => decodeImage(gifOfFrames(10_000)));
    assert.deepEqual([...picture.data], [0, 0, 0]);
    assert.ok(time < AT_MOST, `${time} ms`);
  });
});

describe("a model", () => {
  let clip: ClipModel;
  let expected: Float32Array;
  beforeAll(async () => {
    clip = await loadClip();
    [expected] = (await clip.encodeImages([demoPictures[0]!])) as [Float32Array];
  });
  afterAll(() => clip.close());

  const flat = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: { r: 200, g: 40, b: 90 } } })
      .png()
      .toBuffer();

  for (const [width, height] of [
    [65_535, 1],
    [1, 65_535],
    [1, 1],
  ] as const) {
    it(`embeds ${width} x ${height} of one colour as any other picture of it`, async () => {
      const pixels = { data: new Uint8Array(width * height * 3), width, height, channels: 3 as const };
      for (let at = 0; at < pixels.data.length; at += 3) pixels.data.set([200, 40, 90], at);
      const [square] = await clip.encodeImages([await flat(64, 64)]);
      const { value, time } = await processorTime(() => clip.encodeImages([pixels]));
      assertSameVectors(value, [square!]);
      assert.ok(time < 2000, `${time} ms`);
      assertSameVectors(await clip.encodeImages([await flat(width, height)]), [square!]);
    });
  }

  const box = (brand: string) => Buffer.from(`\0\0\0\x18ftyp${brand}\0\0\0\0mif1${brand}`, "latin1");
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>';
  const kinds: [string, () => Buffer | Promise<Buffer>][] = [
    ["an SVG that points to a file", () => Buffer.from(svg)],
    ["an SVG behind a comment", () => Buffer.from(`\ufeff<!-- ${"x".repeat(5000)} -->${svg}`)],
    ["a packed SVG", () => gzipSync(svg)],
    ["a PDF", () => Buffer.from("%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n")],
    ["a BMP", () => Buffer.concat([Buffer.from("BM"), Buffer.alloc(100)])],
    ["a PNM", () => Buffer.from("P6 1 1 255\nabc")],
    ["an HEIC", () => box("heic")],
    ["a JPEG XL", () => Buffer.from("ff0a", "hex")],
    ["a JPEG XL in boxes", () => Buffer.from("0000000c4a584c200d0a870a", "hex")],
    ["a JPEG 2000", () => Buffer.from("0000000c6a5020200d0a870a", "hex")],
    ["an icon", () => Buffer.concat([Buffer.from([0, 0, 1, 0, 1, 0]), Buffer.alloc(100)])],
    ["a zip", () => Buffer.concat([Buffer.from("PK\x03\x04"), Buffer.alloc(100)])],
  ];
  for (const [what, make] of kinds) {
    it(`refuses ${what}`, async () => {
      const bytes = await make();
      await refuses(() => clip.encodeImages([bytes]), "ERR_IMAGE_DECODE");
      assertSameVectors(await clip.encodeImages([demoPictures[0]!]), [expected]);
    });
  }

  /** A JPEG with one more segment: EXIF, or a colour profile. */
  const withSegment = (marker: number, content: Buffer) => {
    const bytes = pictureBytes("jpeg-420.jpg");
    const head = Buffer.from([0xff, marker, (content.length + 2) >> 8, (content.length + 2) & 255]);
    return Buffer.concat([bytes.subarray(0, 2), head, content, bytes.subarray(2)]);
  };
  /** EXIF of one entry, which may point back to where it begins. */
  const exif = (orientation: number, next: number, count = 1) => {
    const entry = Buffer.alloc(18);
    entry.writeUInt16LE(1, 0);
    entry.writeUInt16LE(0x0112, 2);
    entry.writeUInt16LE(3, 4);
    entry.writeUInt32LE(count, 6);
    entry.writeUInt16LE(orientation, 10);
    entry.writeUInt32LE(next, 14);
    return Buffer.concat([Buffer.from("Exif\0\0II*\0\x08\0\0\0", "latin1"), entry]);
  };
  const profile = (claims: number, content: Buffer) => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(claims);
    return Buffer.concat([Buffer.from("ICC_PROFILE\0\x01\x01", "latin1"), size, content]);
  };
  const odd: [string, () => Buffer][] = [
    ["an orientation of 0", () => withSegment(0xe1, exif(0, 0))],
    ["an orientation of 9", () => withSegment(0xe1, exif(9, 0))],
    ["EXIF that holds itself", () => withSegment(0xe1, exif(1, 8))],
    ["an orientation of 4 thousand million values", () => withSegment(0xe1, exif(1, 0xfffffff0, 0xffffffff))],
    [
      "a profile of noise",
      () => withSegment(0xe2, profile(200, Buffer.from(Array.from({ length: 196 }, (_, at) => at * 7)))),
    ],
    ["a profile that claims 4 GB", () => withSegment(0xe2, profile(0xffffffff, Buffer.alloc(200)))],
    [
      "a zip behind it",
      () => Buffer.concat([pictureBytes("jpeg-420.jpg"), Buffer.from("PK\x03\x04"), Buffer.alloc(100)]),
    ],
  ];
  for (const [what, make] of odd) {
    it(`reads a picture with ${what} as the picture without`, async () => {
      const { value, time } = await processorTime(() => decodeImage(make()));
      assert.deepEqual(value, await decodeImage(pictureBytes("jpeg-420.jpg")));
      assert.ok(time < AT_MOST, `${time} ms`);
    });
  }

  it("refuses a line of 50 million pixels, which would become one of 3 thousand million", async () => {
    const line = { data: new Uint8Array(150e6), width: 50_000_000, height: 1, channels: 3 as const };
    const outcome = await outcomeOf(() => clip.encodeImages([line]));
    assert.ok("error" in outcome && outcome.error.code === "ERR_INVALID_ARGUMENT");
  });

  it("answers right after hundreds of refused calls, and keeps nothing of them", async () => {
    const bytes = pictureBytes("png-rgb.png");
    const next = random(2);
    const resident = residentBytes();
    for (let call = 0; call < 200; call++) {
      await outcomeOf(() => clip.encodeImages([demoPictures[0]!, flipBit(bytes, next)]));
    }
    assertSameVectors(await clip.encodeImages([demoPictures[0]!]), [expected]);
    assert.ok(residentBytes() - resident < LEFT_BEHIND);
  });
});
