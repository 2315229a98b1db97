import assert from "node:assert/strict";
import type { BlipModel, ClipModel } from "clip-blip";
import { afterAll, beforeAll, describe, it } from "vitest";
import { assertSameVectors, demoPictures } from "../library/models.js";
import { type Faults, OTHER, OUT_OF_MEMORY, withFaults } from "./addon.js";

const CPU = { device: "cpu", dtype: "float32" } as const;

describe("memory that runs out amid the work", () => {
  let clip: ClipModel;
  let blip: BlipModel;
  let faults: Faults;
  let vectors: Float32Array[];
  let captions: number[][];
  let runs: { clip: number; blip: number };
  const captionAll = async () => (await blip.caption(demoPictures)).map((caption) => caption.tokenIds);

  /** A new measurement takes the place of the smaller batch that the last fault has taught. */
  const forget = async (model: ClipModel | BlipModel) => {
    faults.armFault("out-of-memory", 0);
    await model.probe();
  };

  beforeAll(async () => {
    const library = await withFaults();
    faults = library.faults;
    clip = await library.ClipModel.load("demo", CPU);
    blip = await library.BlipModel.load("demo", CPU);
    faults.armFault("out-of-memory", 0);
    vectors = await clip.encodeImages(demoPictures);
    const clipRuns = faults.deviceRuns();
    faults.armFault("out-of-memory", 0);
    captions = await captionAll();
    runs = { clip: clipRuns, blip: faults.deviceRuns() };
    // Picture tower, projection, and a step for each word: faults below meet every one of them.
    assert.ok(runs.blip > 20, String(runs.blip));
  });
  afterAll(async () => {
    await clip.close();
    await blip.close();
  });

  for (const kind of OUT_OF_MEMORY) {
    it(`${kind}: vectors are those of the run without it, wherever it strikes`, async () => {
      for (let nth = 1; nth <= runs.clip; nth++) {
        await forget(clip);
        faults.armFault(kind, nth);
        const actual = await clip.encodeImages(demoPictures);
        assert.equal(faults.faultsFired(), 1, `run ${nth} was not reached`);
        assert.ok(faults.deviceRuns() <= 2 * demoPictures.length - 1 + runs.clip);
        assertSameVectors(actual, vectors);
      }
    });

    it(`${kind}: captions are those of the run without it, also when it strikes amid decoding`, async () => {
      // Every run with one kind, and some with the others, which differ in how they are told only.
      for (let nth = 1; nth <= runs.blip; nth += kind === "out-of-memory" ? 2 : 9) {
        await forget(blip);
        faults.armFault(kind, nth);
        const actual = await captionAll();
        assert.equal(faults.faultsFired(), 1, `run ${nth} was not reached`);
        assert.deepEqual(actual, captions, `struck at run ${nth}`);
      }
    });
  }

  it("captions of three beams are those of the run without it, also when it strikes amid decoding", async () => {
    // No early end, so that each batch has as many runs as another.
    const beams = { numBeams: 3, numReturnSequences: 2, maxLength: 12, minLength: 12 };
    faults.armFault("out-of-memory", 0);
    const pictures = demoPictures.slice(0, 6);
    const expected = await blip.caption(pictures, beams);
    // Which pictures meet in a batch is a matter of time: one or two of them, and so half as many batches at least.
    const most = Math.floor(faults.deviceRuns() / 2);
    for (let nth = 1; nth <= most; nth += 4) {
      await forget(blip);
      faults.armFault("out-of-memory", nth);
      const actual = await blip.caption(pictures, beams);
      assert.equal(faults.faultsFired(), 1, `run ${nth} was not reached`);
      for (const [index, { tokenIds, alternatives }] of actual.entries()) {
        assert.deepEqual(tokenIds, expected[index]!.tokenIds, `struck at run ${nth}`);
        assert.equal(alternatives.length, 1);
      }
    }
  });

  for (const kind of OTHER) {
    it(`${kind}: the call rejects with a sentence, nothing is retried, and the next call works`, async () => {
      faults.armFault(kind, 1);
      await assert.rejects(clip.encodeImages(demoPictures.slice(0, 1)), (error: Error & { code?: string }) => {
        assert.equal(error.code, "ERR_INTERNAL");
        assert.ok(error.message.length > 10 && !error.message.includes("\n"), error.message);
        return true;
      });
      assert.equal(faults.faultsFired(), 1);
      assert.equal(faults.deviceRuns(), 1);
      assertSameVectors(await clip.encodeImages(demoPictures), vectors);
    });
  }

  it("gives the memory back after a fault", async () => {
    const { allocated } = clip.capabilities().memory;
    for (let nth = 1; nth <= 5; nth++) {
      await forget(blip);
      faults.armFault("out-of-memory", nth);
      await captionAll();
    }
    assert.equal(clip.capabilities().memory.allocated, allocated);
  });
});
