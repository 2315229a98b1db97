import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlipModel, ClipModel, exportCheckpoint, type RawPixels } from "clip-blip";
import { afterAll, beforeAll, describe, it } from "vitest";
import { repositoryPath } from "./models.js";

const CPU = { device: "cpu", dtype: "float32" } as const;
const fixture = (name: string) => repositoryPath(`test/fixtures/openai/${name}`);

interface Embeddings {
  images: number[][];
  texts: number[][];
  logitScale: number;
}
/** What PyTorch computes with the same weights: see make_openai.py. */
const reference: {
  pictures: { width: number; height: number; pixels: string[] };
  texts: { text: string }[];
  vit: Embeddings;
  open_clip: Embeddings;
} = JSON.parse(readFileSync(fixture("reference.json"), "utf8"));

const { width, height } = reference.pictures;
const pictures = reference.pictures.pixels.map(
  (pixels): RawPixels => ({ data: new Uint8Array(Buffer.from(pixels, "base64")), width, height, channels: 3 }),
);
const texts = reference.texts.map(({ text }) => text);

/** Largest difference between vectors that are scaled to length 1 here and there. */
function difference(actual: Float32Array[], expected: number[][]): number {
  assert.equal(actual.length, expected.length);
  return Math.max(
    ...expected.flatMap((row, index) => {
      const length = Math.hypot(...row);
      return row.map((value, column) => Math.abs(value / length - actual[index]![column]!));
    }),
  );
}

async function assertEmbeddings(clip: ClipModel, expected: Embeddings, tolerance = 1e-5): Promise<void> {
  const images = difference(await clip.encodeImages(pictures), expected.images);
  const sentences = difference(await clip.encodeTexts(texts), expected.texts);
  assert.ok(images <= tolerance && sentences <= tolerance, `images ${images}, texts ${sentences}`);
}

describe("a CLIP as OpenAI published it", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "clip-blip-openai-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("embeds as PyTorch does with its own code", async () => {
    await using clip = await ClipModel.load(fixture("vit.pt"), CPU);
    await assertEmbeddings(clip, reference.vit);
    const [logits] = await clip.similarity([reference.vit.images[0]!], [reference.vit.images[0]!], { logits: true });
    assert.ok(Math.abs(logits![0]! - reference.vit.logitScale) < 1e-3);
    const { embeds, dimension, imageSize } = clip.capabilities();
    assert.deepEqual([embeds, dimension, imageSize], [["image", "text"], 24, 32]);
  });

  it("can be exported, and loads in any dtype", async () => {
    const archive = join(folder, "vit.pt");
    await exportCheckpoint(fixture("vit.pt"), archive);
    await using clip = await ClipModel.load(archive, CPU);
    await assertEmbeddings(clip, reference.vit);
    for (const source of [fixture("vit.pt"), archive]) {
      await using half = await ClipModel.load(source, { device: "cpu", dtype: "bfloat16" });
      await assertEmbeddings(half, reference.vit, 0.02);
    }
    await assert.rejects(exportCheckpoint(archive, join(folder, "again.pt")), { code: "ERR_INVALID_ARGUMENT" });
  });

  it("takes another image size", async () => {
    await using clip = await ClipModel.load(fixture("vit.pt"), { ...CPU, imageSize: 48 });
    assert.equal(clip.capabilities().imageSize, 48);
    assert.equal((await clip.encodeImages(pictures)).length, pictures.length);
  });

  it("is loaded from a state dict with the same names too, as in OpenAI's code", async () => {
    const path = join(folder, "state.pt");
    copyFileSync(fixture("open_clip/open_clip_pytorch_model.bin"), path);
    await using clip = await ClipModel.load(path, CPU);
    // These weights were made for another GELU than OpenAI's; what does not go through one is the same.
    assert.ok(difference(await clip.encodeImages(pictures), reference.open_clip.images) > 1e-3);
    assert.ok(difference(await clip.encodeTexts(texts), reference.open_clip.texts) < 0.2);
  });

  it("is checked by its hash", async () => {
    const sha256 = createHash("sha256")
      .update(readFileSync(fixture("vit.pt")))
      .digest("hex");
    await using clip = await ClipModel.load(fixture("vit.pt"), { ...CPU, sha256 });
    assert.equal(clip.capabilities().state, "loaded");
    const wrong = ClipModel.load(fixture("vit.pt"), { ...CPU, sha256: "0".repeat(64) });
    await assert.rejects(wrong, { code: "ERR_MODEL_HASH" });
  });

  it("is no BLIP, and no ResNet", async () => {
    await assert.rejects(BlipModel.load(fixture("vit.pt"), CPU), { code: "ERR_MODEL_INVALID", message: /ClipModel/ });
    const refused = { code: "ERR_MODEL_INVALID", message: /ResNet .* not supported/ };
    await assert.rejects(ClipModel.load(fixture("resnet.pt"), CPU), refused);
    await assert.rejects(exportCheckpoint(fixture("resnet.pt"), join(folder, "resnet.pt")), refused);
  });
});

describe("a CLIP of open_clip", () => {
  it("embeds as PyTorch does with the GELU of its configuration", async () => {
    await using clip = await ClipModel.load(fixture("open_clip"), CPU);
    await assertEmbeddings(clip, reference.open_clip);
  });
});
