import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, it } from "vitest";
// The addon that the library below uses: the sources under lib/ would be a second copy.
import { native } from "../../dist/native/instance.js";
import { assertSameVectors, demoPictures, loadBlip, loadClip } from "./models.js";

/** The most bytes of activations during some work on the CPU. */
async function peakOf(work: () => Promise<unknown>): Promise<number> {
  native().resetPeak("cpu");
  const { allocated } = native().memory("cpu");
  await work();
  return native().memory("cpu").peak - allocated;
}

describe("memory", () => {
  it("keeps the activations of every call at or below memoryLimit, with the results of an unlimited model", async () => {
    await using free = await loadClip();
    const expected = await free.encodeImages(demoPictures);
    const unlimited = await peakOf(() => free.encodeImages(demoPictures));
    for (const share of [0.7, 0.4, 0.2]) {
      const memoryLimit = Math.floor(unlimited * share);
      await using tight = await loadClip({ memoryLimit });
      let actual: Float32Array[] = [];
      const peak = await peakOf(async () => {
        actual = await tight.encodeImages(demoPictures);
      });
      assert.ok(peak <= memoryLimit, `${peak} bytes within ${memoryLimit}`);
      assert.ok(tight.capabilities().safeBatchSize < demoPictures.length);
      assertSameVectors(actual, expected);
    }
  });

  it("keeps captions within memoryLimit, too", async () => {
    await using free = await loadBlip();
    const expected = (await free.caption(demoPictures)).map(({ text }) => text);
    const unlimited = await peakOf(() => free.caption(demoPictures));
    const memoryLimit = Math.floor(unlimited * 0.4);
    await using tight = await loadBlip({ memoryLimit });
    let actual: string[] = [];
    const peak = await peakOf(async () => {
      actual = (await tight.caption(demoPictures)).map(({ text }) => text);
    });
    assert.ok(peak <= memoryLimit, `${peak} bytes within ${memoryLimit}`);
    assert.deepEqual(actual, expected);
  });

  it("keeps beams and samples within memoryLimit, too, with the same texts", async () => {
    await using free = await loadBlip();
    for (const options of [
      { numBeams: 3, numReturnSequences: 2 },
      { doSample: true, seed: 1, numReturnSequences: 3 },
    ]) {
      const captions = async (blip: typeof free, pictures = demoPictures) =>
        (await blip.caption(pictures, options)).map(({ tokenIds, alternatives }) => [
          tokenIds,
          ...alternatives.map((other) => other.tokenIds),
        ]);
      const expected = await captions(free);
      const unlimited = await peakOf(() => captions(free));
      // Room for one picture and hardly more.
      const memoryLimit = Math.floor(1.3 * (await peakOf(() => captions(free, demoPictures.slice(0, 1)))));
      assert.ok(memoryLimit < 0.9 * unlimited);
      await using tight = await loadBlip({ memoryLimit });
      let actual: number[][][] = [];
      const peak = await peakOf(async () => {
        actual = await captions(tight);
      });
      assert.ok(peak <= memoryLimit, `${peak} bytes within ${memoryLimit}`);
      assert.deepEqual(actual, expected);
    }
  });

  it("keeps the blocks of a call for the next one, and gives them back when nothing runs", async () => {
    const kept = () => native().memory("cpu").reserved - native().memory("cpu").allocated;
    await using clip = await loadClip();
    await clip.encodeImages(demoPictures);
    const first = kept();
    assert.ok(first > 1e6, `${first} bytes kept`);
    await clip.encodeImages(demoPictures);
    assert.ok(kept() <= 1.5 * first, `${kept()} bytes kept after a second call, ${first} after the first`);
    while (kept() > 0) await sleep(20);
    await clip.encodeImages(demoPictures);
    await clip.unload();
    assert.equal(kept(), 0);
  });

  it("predicts what a batch takes", async () => {
    await using clip = await loadClip();
    const { bytesPerItem } = clip.capabilities();
    const [eight, sixteen] = [
      await peakOf(() => clip.encodeImages(demoPictures.slice(0, 8))),
      await peakOf(() => clip.encodeImages(demoPictures)),
    ];
    const measured = (sixteen - eight) / 8;
    assert.ok(Math.abs(measured - bytesPerItem) < 0.1 * bytesPerItem, `${measured} measured, ${bytesPerItem} promised`);
  });

  it("sizes batches for a part of what is free, and for less when asked for less", async () => {
    await using much = await loadClip({ memoryFraction: 0.8 });
    await using little = await loadClip({ memoryFraction: 0.001 });
    assert.ok(little.capabilities().safeBatchSize < much.capabilities().safeBatchSize / 100);
    await using capped = await loadClip({ maxBatchSize: 3 });
    assert.equal(capped.capabilities().safeBatchSize, 3);
    assert.equal((await capped.encodeImages(demoPictures)).length, demoPictures.length);
  });

  it("keeps the probe of a model for the next load of it", async () => {
    await using first = await loadClip({ memoryLimit: 123_456_789 });
    const phases: string[] = [];
    await using second = await loadClip({ memoryLimit: 123_456_789, onProgress: ({ phase }) => phases.push(phase) });
    assert.deepEqual(phases, ["load"]);
    assert.equal(second.capabilities().bytesPerItem, first.capabilities().bytesPerItem);
    assert.equal(second.capabilities().safeBatchSize, first.capabilities().safeBatchSize);
  });
});
