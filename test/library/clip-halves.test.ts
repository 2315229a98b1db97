import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClipBlipError, ClipModel, exportCheckpoint } from "clip-blip";
import { afterAll, beforeAll, describe, it } from "vitest";
import { assertSameVectors, demoPictures, repositoryPath } from "./models.js";

const CPU = { device: "cpu", dtype: "float32" } as const;
const checkpoint = (name: string) => repositoryPath(`test/fixtures/checkpoint/${name}`);
const pictures = demoPictures.slice(0, 3);
const texts = ["a b c", "ab"];

const refuses = (promise: Promise<unknown>, text: RegExp) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof ClipBlipError);
    assert.equal(error.code, "ERR_INVALID_ARGUMENT");
    assert.match(error.message, text);
    return true;
  });

describe("half a CLIP", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "clip-blip-halves-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("embeds pictures alone, from a checkpoint and from an archive", async () => {
    const archive = join(folder, "vision.pt");
    await exportCheckpoint(checkpoint("clip-vision"), archive);
    await using whole = await ClipModel.load(checkpoint("clip-legacy"), CPU);
    for (const source of [checkpoint("clip-vision"), archive]) {
      await using half = await ClipModel.load(source, CPU);
      const { embeds, dimension, imageSize } = half.capabilities();
      assert.deepEqual([embeds, dimension, imageSize], [["image"], 10, 16]);
      assertSameVectors(await half.encodeImages(pictures), await whole.encodeImages(pictures));
      await half.warmup();
      // What was embedded elsewhere can be compared.
      const sentences = await whole.encodeTexts(texts);
      assertSameVectors(await half.similarity(pictures, sentences), await whole.similarity(pictures, texts));

      await refuses(
        half.encodeTexts(texts),
        /no text tower: encodeTexts needs a complete checkpoint.*CLIPTextModelWithProjection/,
      );
      await refuses(half.classify(pictures, ["a"]), /no text tower: classify/);
      await refuses(half.similarity(pictures, texts), /no text tower: similarity/);
      await refuses(half.similarity(pictures, sentences, { logits: true }), /logit scale/);
    }
  });

  it("embeds texts alone, from a checkpoint and from an archive", async () => {
    const archive = join(folder, "text.pt");
    await exportCheckpoint(checkpoint("clip-text"), archive);
    await using whole = await ClipModel.load(checkpoint("clip-legacy"), CPU);
    assert.deepEqual(whole.capabilities().embeds, ["image", "text"]);
    for (const source of [checkpoint("clip-text"), archive]) {
      await using half = await ClipModel.load(source, CPU);
      const { embeds, dimension, imageSize, safeBatchSize } = half.capabilities();
      assert.deepEqual([embeds, dimension, imageSize], [["text"], 10, undefined]);
      assert.ok(safeBatchSize > 1);
      assertSameVectors(await half.encodeTexts(texts), await whole.encodeTexts(texts));

      await refuses(half.encodeImages(pictures), /no image tower: encodeImages.*CLIPVisionModelWithProjection/);
      await refuses(half.classify(pictures, ["a"]), /no image tower: classify/);
      assert.throws(() => half.encodeImageStream(pictures), { code: "ERR_INVALID_ARGUMENT" });
    }
    await refuses(ClipModel.load(checkpoint("clip-text"), { ...CPU, imageSize: 32 }), /imageSize/);
  });
});
