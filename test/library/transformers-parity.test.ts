import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { cosineSimilarity } from "clip-blip";
import { describe, it } from "vitest";
import { demoPictures, loadBlip, loadClip, repositoryPath } from "./models.js";

/** Largest absolute difference, and smallest cosine similarity, that float32 may show. */
const TOLERANCE = 1e-5;

const fixture = (name: string) =>
  JSON.parse(readFileSync(repositoryPath(`test/fixtures/transformers/${name}`), "utf8"));

function assertClose(actual: Float32Array, expected: number[], what: string): void {
  assert.equal(actual.length, expected.length);
  const scale = Math.max(1, ...expected.map(Math.abs));
  const difference = Math.max(...expected.map((value, index) => Math.abs(value - actual[index]!))) / scale;
  assert.ok(difference <= TOLERANCE, `${what}: differs by ${difference}`);
  assert.ok(1 - cosineSimilarity(actual, expected) <= TOLERANCE, `${what}: cosine`);
}

describe("the demo CLIP next to transformers", () => {
  const expected: {
    pictures: string[];
    images: number[][];
    texts: { text: string; embedding: number[] }[];
    logitScale: number;
  } = fixture("clip.json");

  it("gives the same picture vectors", async () => {
    await using clip = await loadClip();
    const actual = await clip.encodeImages(demoPictures, { normalize: false });
    assert.equal(actual.length, expected.images.length);
    for (const [index, vector] of actual.entries())
      assertClose(vector, expected.images[index]!, expected.pictures[index]!);
  });

  it("gives the same text vectors, also of empty, cut and foreign texts", async () => {
    await using clip = await loadClip();
    const actual = await clip.encodeTexts(
      expected.texts.map(({ text }) => text),
      { normalize: false },
    );
    for (const [index, vector] of actual.entries()) {
      assertClose(vector, expected.texts[index]!.embedding, JSON.stringify(expected.texts[index]!.text.slice(0, 40)));
    }
  });

  it("scores labels with the checkpoint's temperature", async () => {
    await using clip = await loadClip();
    const labels = expected.texts.slice(0, 3).map(({ text }) => text);
    const [scores] = await clip.classify(demoPictures.slice(0, 1), labels, { template: "{}" });
    const logits = expected.texts
      .slice(0, 3)
      .map(({ embedding }) => expected.logitScale * cosineSimilarity(embedding, expected.images[0]!));
    const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
    for (const { label, score } of scores!) {
      assert.ok(Math.abs(score - Math.exp(logits[labels.indexOf(label)]!) / sum) < 1e-4, label);
    }
  });
});

describe("the demo BLIP next to transformers", () => {
  interface Row {
    tokenIds: number[];
    text: string;
    score: number;
  }
  const expected: { maxLength: number; captions: { prompt: string | null; rows: Row[] }[] } = fixture("blip.json");

  for (const { prompt, rows } of expected.captions) {
    it(`writes the same tokens with the prompt ${JSON.stringify(prompt)}`, async () => {
      await using blip = await loadBlip();
      const captions = await blip.caption(demoPictures, {
        maxLength: expected.maxLength,
        ...(prompt === null ? {} : { prompt }),
      });
      for (const [index, caption] of captions.entries()) {
        const row = rows[index]!;
        assert.deepEqual(caption.tokenIds, row.tokenIds, `picture ${index}`);
        assert.equal(caption.text, row.text);
        assert.ok(Math.abs(caption.score - row.score) < 1e-3, `score ${caption.score}, expected ${row.score}`);
      }
    });
  }

  it("does not let prompts of different lengths in one call touch each other", async () => {
    await using blip = await loadBlip();
    const pictures = demoPictures.slice(0, expected.captions.length);
    const captions = await blip.caption(pictures, {
      maxLength: expected.maxLength,
      prompt: expected.captions.map(({ prompt }) => prompt ?? ""),
    });
    assert.deepEqual(
      captions.map((caption) => caption.tokenIds),
      expected.captions.map(({ rows }, index) => rows[index]!.tokenIds),
    );
  });
});
