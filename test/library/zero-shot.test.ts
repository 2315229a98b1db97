import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  type ClassifyOptions,
  ClipBlipError,
  type ClipModel,
  cosineSimilarity,
  type Embedding,
  similarityMatrix,
} from "clip-blip";
import { afterAll, beforeAll, describe, it } from "vitest";
import { demoPictures, loadClip, repositoryPath } from "./models.js";

const fixture: {
  images: number[][];
  texts: { text: string; embedding: number[] }[];
  logits: number[][];
  logitScale: number;
  ensemble: { labels: string[]; templates: string[]; logits: number[][] };
} = JSON.parse(readFileSync(repositoryPath("test/fixtures/transformers/clip.json"), "utf8"));
const texts = fixture.texts.map(({ text }) => text);

/** Logits are cosines times about 20; a cosine may be off by 1e-6. */
function assertRows(actual: ArrayLike<number>[], expected: number[][], tolerance = 1e-4): void {
  assert.equal(actual.length, expected.length);
  for (const [row, values] of expected.entries()) {
    assert.equal(actual[row]!.length, values.length);
    for (const [column, value] of values.entries()) {
      const difference = Math.abs(actual[row]![column]! - value);
      assert.ok(difference < tolerance, `[${row}][${column}] differs by ${difference}`);
    }
  }
}

const rejects = (promise: Promise<unknown>, text: RegExp, index?: number) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof ClipBlipError);
    assert.equal(error.code, "ERR_INVALID_ARGUMENT");
    assert.match(error.message, text);
    assert.equal(error.index, index);
    return true;
  });

describe("pictures next to texts", () => {
  let clip: ClipModel;
  beforeAll(async () => {
    clip = await loadClip();
  });
  afterAll(() => clip.close());

  it("gives the logits of transformers, and cosines by default", async () => {
    assertRows(await clip.similarity(demoPictures, texts, { logits: true }), fixture.logits);
    const cosines = fixture.logits.map((row) => row.map((logit) => logit / fixture.logitScale));
    const actual = await clip.similarity(demoPictures, texts);
    assertRows(actual, cosines, 1e-5);
    for (const row of actual) assert.equal(row.buffer, actual[0]!.buffer);
  });

  it("takes embeddings of any length and kind in place of pictures and of texts", async () => {
    const pictures = fixture.images.map((values) => Float32Array.from(values));
    const sentences = fixture.texts.map(({ embedding }) => embedding);
    assertRows(await clip.similarity(pictures, sentences, { logits: true }), fixture.logits);
    assertRows(await clip.similarity(pictures, texts, { logits: true }), fixture.logits);
    assertRows(await clip.similarity(demoPictures, sentences, { logits: true }), fixture.logits);
    const doubles = fixture.images.map((values) => Float64Array.from(values, (value) => value / 7));
    assertRows(await clip.similarity(doubles, texts, { logits: true }), fixture.logits);
  });

  it("takes empty lists", async () => {
    assert.deepEqual(await clip.similarity([], texts), []);
    assert.deepEqual(await clip.similarity(demoPictures.slice(0, 2), []), [new Float32Array(), new Float32Array()]);
  });

  it("averages the embeddings of several templates", async () => {
    const { labels, templates, logits } = fixture.ensemble;
    const scores = await clip.classify(demoPictures, labels, { template: templates });
    const expected = logits.map((row) => {
      const exponentials = row.map(Math.exp);
      const sum = exponentials.reduce((total, value) => total + value);
      return exponentials.map((value) => value / sum);
    });
    assertRows(
      scores.map((row) => labels.map((label) => row.find((score) => score.label === label)!.score)),
      expected,
    );
    for (const row of scores) assert.ok(row[0]!.score >= row[1]!.score && row[1]!.score >= row[2]!.score);
    const [one] = await clip.classify(demoPictures.slice(0, 1), labels, { template: [templates[0]!] });
    const [same] = await clip.classify(demoPictures.slice(0, 1), labels, { template: templates[0]! });
    assert.deepEqual(one, same);
  });

  it("refuses wrong arguments with a sentence", async () => {
    const picture = demoPictures[0]!;
    for (const template of ["no place for the label", [], ["a {}", "none"], ["a {}", 3], 7]) {
      await rejects(clip.classify([picture], ["a"], { template } as ClassifyOptions), /options\.template/);
    }
    const short = new Float32Array(3);
    await rejects(clip.similarity([short], texts), /an embedding of \d+ numbers for images\[0\]/, 0);
    await rejects(clip.similarity([picture], [fixture.images[0]!, "a"] as Embedding[]), /texts\[1\]/, 1);
    await rejects(clip.similarity([picture, fixture.images[0]!] as string[], texts), /images\[1\]/, 1);
    await rejects(clip.similarity([picture], texts, { logits: 1 as unknown as boolean }), /options\.logits/);
  });
});

describe("similarityMatrix", () => {
  it("is cosineSimilarity of every pair", () => {
    const a = [Float32Array.of(1, 0), Float32Array.of(3, 4), new Float32Array(2)];
    const b = [
      [0, 2],
      [-5, 0],
    ];
    const expected = a.map((one) => b.map((other) => cosineSimilarity(one, other)));
    assertRows(similarityMatrix(a, b), expected, 1e-7);
    assert.deepEqual(similarityMatrix([], b), []);
  });

  it("refuses vectors of different lengths and what is none", () => {
    assert.throws(() => similarityMatrix([[1, 2]], [[1, 2, 3]]), { code: "ERR_INVALID_ARGUMENT" });
    assert.throws(() => similarityMatrix([[1, 2], [1]], []), { code: "ERR_INVALID_ARGUMENT" });
    assert.throws(() => similarityMatrix([[1]], ["a" as unknown as number[]]), {
      code: "ERR_INVALID_ARGUMENT",
      index: 0,
    });
  });
});
