import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type BlipModel, ClipBlipError, type ClipModel, cosineSimilarity, nearest } from "clip-blip";
import sharp from "sharp";
import { afterAll, beforeAll, test } from "vitest";
import { demoPictures, loadBlip, loadClip } from "./models.js";

let clip: ClipModel;
let blip: BlipModel;
beforeAll(async () => {
  [clip, blip] = [await loadClip(), await loadBlip()];
});
afterAll(() => Promise.all([clip.close(), blip.close()]));

const [first, second] = demoPictures as [string, string];

test("one picture or text in place of a list gives one result", async () => {
  const image: Float32Array = await clip.encodeImages(first);
  assert.deepEqual(image, (await clip.encodeImages([first]))[0]);
  assert.deepEqual(await clip.encodeImages(readFileSync(first)), image);
  const text: Float32Array = await clip.encodeTexts("a red circle");
  assert.deepEqual(text, (await clip.encodeTexts(["a red circle"]))[0]);
  const { text: caption } = await blip.caption(readFileSync(first));
  assert.equal(caption, (await blip.caption([first]))[0]!.text);
  const labels = ["circle", "square", "triangle"];
  const scores = await clip.classify(first, labels);
  assert.deepEqual(scores, (await clip.classify([first], labels))[0]);
  assert.deepEqual(await clip.encodeImages([]), []);
});

test("the rows of similarity stay lists", async () => {
  const [row, ...others] = await clip.similarity(first, "a red circle");
  assert.equal(others.length, 0);
  assert.deepEqual(row, (await clip.similarity([first], ["a red circle"]))[0]);
  const stored = Array.from(await clip.encodeImages(first));
  const [again] = await clip.similarity(stored, await clip.encodeTexts("a red circle"));
  assert.ok(Math.abs(again![0]! - row![0]!) < 1e-5);
});

test("classify returns the best labels, scored over all", async () => {
  const labels = ["circle", "square", "triangle", "star"];
  const all = await clip.classify([first, second], labels);
  const best = await clip.classify([first, second], labels, { topK: 2 });
  assert.deepEqual(
    best,
    all.map((scores) => scores.slice(0, 2)),
  );
  assert.deepEqual(await clip.classify(first, labels, { topK: 9 }), all[0]);
  await assert.rejects(clip.classify(first, labels, { topK: 0 }), { code: "ERR_INVALID_ARGUMENT" });
});

test("an error of one input has its index, and does not say so in words", async () => {
  for (const call of [
    clip.encodeImages("nowhere.jpg"),
    clip.encodeImages(["nowhere.jpg"]),
    blip.caption("nowhere.jpg"),
  ]) {
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof ClipBlipError);
      assert.deepEqual([error.code, error.index], ["ERR_IMAGE_NOT_FOUND", 0]);
      assert.doesNotMatch(error.message, /\(item/);
      return true;
    });
  }
  await assert.rejects(clip.encodeImages([first, "nowhere.jpg"]), { index: 1, message: /\(item 1\)$/ });
  for (const wrong of [null, undefined, 7, {}, new Set([first])]) {
    await assert.rejects(clip.encodeImages(wrong as never), {
      code: "ERR_INVALID_ARGUMENT",
      message: /for images but received/,
    });
    await assert.rejects(clip.encodeTexts(wrong as never), { code: "ERR_INVALID_ARGUMENT" });
  }
});

test("raw pixels without channels, as a canvas gives them", async () => {
  const { data, info } = await sharp(first).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const imageData = { data: new Uint8ClampedArray(data), width, height, colorSpace: "srgb" };
  const expected = await clip.encodeImages({ data, width, height, channels: 4 });
  assert.deepEqual(await clip.encodeImages(imageData), expected);
  const rgb = await sharp(first).removeAlpha().raw().toBuffer();
  assert.deepEqual(await clip.encodeImages({ data: rgb, width, height }), expected);
  await assert.rejects(clip.encodeImages({ data: rgb.subarray(1), width, height }), {
    code: "ERR_INVALID_ARGUMENT",
    message: /bytes, not 1, 3 or 4 for each of the \d+ pixels/,
  });
});

test("nearest gives the most similar vectors, best first", async () => {
  const vectors = await clip.encodeImages(demoPictures);
  const query = await clip.encodeTexts("a red circle");
  const expected = vectors
    .map((vector, index) => ({ index, score: cosineSimilarity(query, vector) }))
    .sort((one, other) => other.score - one.score);
  assert.deepEqual(nearest(query, vectors, { top: 3 }), expected.slice(0, 3));
  assert.deepEqual(nearest(query, vectors), expected.slice(0, 10));
  assert.deepEqual(nearest(query, vectors, { top: 99 }), expected);
  const ties = nearest(
    [1, 0],
    [
      [0, 1],
      [2, 0],
      [1, 0],
      [-1, 0],
    ],
    { top: 3 },
  );
  assert.deepEqual(
    ties.map(({ index }) => index),
    [1, 2, 0],
  );
  assert.deepEqual(nearest([1, 0], []), []);
  const wrong: [unknown, unknown, object?][] = [
    ["a", []],
    [[1, 0], [[1, 0, 0]]],
    [[1, 0], "ab"],
    [[1, 0], [[1, 0]], { top: 0 }],
    [[1, 0], [[1, 0]], { topK: 3 }],
  ];
  for (const [one, list, options] of wrong) {
    assert.throws(() => nearest(one as never, list as never, options), { code: "ERR_INVALID_ARGUMENT" });
  }
});
