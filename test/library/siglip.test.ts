import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlipModel, ClipModel, exportCheckpoint, type RawPixels } from "clip-blip";
import { afterAll, beforeAll, describe, it } from "vitest";
import { repositoryPath } from "./models.js";

const CPU = { device: "cpu", dtype: "float32" } as const;
const fixture = (name: string) => repositoryPath(`test/fixtures/siglip/${name}`);

interface Expected {
  images: number[][];
  interpolated: { imageSize: number; images: number[][] };
  texts: number[][];
  logits: number[][];
  probabilities: number[][];
}
/** What transformers gives: see make_siglip.py. */
const reference: Record<"siglip" | "siglip2", Expected> & {
  pictures: { width: number; height: number; pixels: string[] };
  texts: string[];
} = JSON.parse(readFileSync(fixture("reference.json"), "utf8"));

const { width, height } = reference.pictures;
const pictures = reference.pictures.pixels.map(
  (pixels): RawPixels => ({ data: new Uint8Array(Buffer.from(pixels, "base64")), width, height, channels: 3 }),
);
const { texts } = reference;

const largest = (actual: ArrayLike<number>[], expected: number[][]) => {
  assert.equal(actual.length, expected.length);
  return Math.max(...expected.flatMap((row, at) => row.map((value, column) => Math.abs(value - actual[at]![column]!))));
};
const unit = (rows: number[][]) => rows.map((row) => row.map((value) => value / Math.hypot(...row)));

async function assertEmbeddings(model: ClipModel, expected: Expected, tolerance = 1e-5): Promise<void> {
  const images = largest(await model.encodeImages(pictures), unit(expected.images));
  const sentences = largest(await model.encodeTexts(texts), unit(expected.texts));
  assert.ok(images <= tolerance && sentences <= tolerance, `images ${images}, texts ${sentences}`);
}

for (const name of ["siglip", "siglip2"] as const) {
  describe(name, () => {
    const expected = reference[name];
    let folder: string;
    let model: ClipModel;
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "clip-blip-siglip-"));
      model = await ClipModel.load(fixture(name), CPU);
    });
    afterAll(async () => {
      await model.close();
      rmSync(folder, { recursive: true });
    });

    it("embeds as transformers does, texts of any length and writing filled up to the context", async () => {
      await assertEmbeddings(model, expected);
      // Alone and together, the filling is the same.
      assert.ok(largest(await model.encodeTexts(texts.slice(1, 2)), unit(expected.texts.slice(1, 2))) <= 1e-5);
      const { architecture, embeds, dimension, imageSize } = model.capabilities();
      assert.deepEqual([architecture, embeds, dimension, imageSize], ["siglip", ["image", "text"], 16, 20]);
    });

    it("judges every label by itself, with the checkpoint's temperature and bias", async () => {
      assert.ok(largest(await model.similarity(pictures, texts, { logits: true }), expected.logits) < 1e-4);
      const scores = await model.classify(pictures, texts, { template: "{}" });
      const inOrder = scores.map((row) => texts.map((text) => row.find(({ label }) => label === text)!.score));
      assert.ok(largest(inOrder, expected.probabilities) < 1e-5);
      for (const row of scores) {
        for (let at = 1; at < row.length; at++) assert.ok(row[at - 1]!.score >= row[at]!.score);
        assert.ok(Math.abs(row.reduce((sum, { score }) => sum + score, 0) - 1) > 0.1, "they do not sum to 1");
      }
    });

    it("can be exported, in any dtype and for any size of pictures", async () => {
      const archive = join(folder, "model.pt");
      await exportCheckpoint(fixture(name), archive);
      await using same = await ClipModel.load(archive, CPU);
      await assertEmbeddings(same, expected);
      assert.deepEqual(await same.classify(pictures, ["a"]), await model.classify(pictures, ["a"]));
      await using half = await ClipModel.load(archive, { device: "cpu", dtype: "bfloat16" });
      await assertEmbeddings(half, expected, 0.05);
      const { imageSize, images } = expected.interpolated;
      await using larger = await ClipModel.load(archive, { ...CPU, imageSize });
      assert.ok(largest(await larger.encodeImages(pictures), unit(images)) <= 1e-5);
    });

    it("is no BLIP, and cuts texts only where it may", async () => {
      await assert.rejects(BlipModel.load(fixture(name), CPU), { code: "ERR_MODEL_INVALID", message: /ClipModel/ });
      const long = model.encodeTexts(["fine", "very ".repeat(100)], { truncate: false });
      await assert.rejects(long, { code: "ERR_TEXT_TOO_LONG", index: 1 });
    });
  });
}

describe("the halves of a SigLIP", () => {
  it("embed as the whole does", async () => {
    const expected = reference.siglip2;
    await using vision = await ClipModel.load(fixture("siglip-vision"), CPU);
    assert.ok(largest(await vision.encodeImages(pictures), unit(expected.images)) <= 1e-5);
    await assert.rejects(vision.encodeTexts(texts), { code: "ERR_INVALID_ARGUMENT", message: /no text tower/ });
    await using text = await ClipModel.load(fixture("siglip-text"), CPU);
    assert.ok(largest(await text.encodeTexts(texts), unit(expected.texts)) <= 1e-5);
    assert.deepEqual([text.capabilities().embeds, text.capabilities().imageSize], [["text"], undefined]);
  });
});
