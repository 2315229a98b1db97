import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "vitest";
import type { GenerationResult } from "../../lib/native/types.js";
import { demoPictures } from "../library/models.js";
import { END, PAD, tableBlipSpec } from "../native/fake-blip.js";
import { Checkpoint, GREEDY, CPU as ON_CPU, plainPictures, RUN, temporaryFolder } from "../native/helpers.js";
import { withFaults } from "./addon.js";

const { BlipModel, ClipModel, binding, faults } = await withFaults();

// What surrounds recorded graphs, on the CPU: a "graph" of the test addon runs the same work again on the same memory.
describe("recorded graphs", () => {
  beforeEach(() => faults.recordOnCpu(true));
  afterEach(() => faults.recordOnCpu(false));

  it("are recorded at a shape's second call, and give each call its own vectors", async () => {
    faults.recordOnCpu(false);
    const clip = await ClipModel.load("demo", { device: "cpu", dtype: "float32" });
    const expected = await clip.encodeImages(demoPictures.slice(0, 6));
    faults.recordOnCpu(true);
    const found: Float32Array[] = [];
    for (const picture of demoPictures.slice(0, 6)) found.push(...(await clip.encodeImages([picture])));
    assert.deepEqual(faults.graphCounts(), { recorded: 1, replayed: 5 });
    for (const [index, vector] of found.entries()) {
      assert.ok(
        vector.every((value, i) => Math.abs(value - expected[index]![i]!) < 1e-6),
        `picture ${index}`,
      );
    }
    await clip.close();
  });

  it("are kept for each length of a text", async () => {
    const clip = await ClipModel.load("demo", { device: "cpu", dtype: "float32" });
    faults.recordOnCpu(true);
    const texts = ["a star", "a red circle on a white background"];
    const first = [await clip.encodeTexts([texts[0]!]), await clip.encodeTexts([texts[1]!])];
    const again = [await clip.encodeTexts([texts[0]!]), await clip.encodeTexts([texts[1]!])];
    assert.deepEqual(again, first);
    assert.equal(faults.graphCounts().recorded, 2);
    await clip.close();
  });

  it("are shared by batches that are filled up to a multiple of eight", async () => {
    const clip = await ClipModel.load("demo", { device: "cpu", dtype: "float32" });
    const texts = Array.from({ length: 16 }, (_, index) => `a star ${index % 7}`);
    faults.recordOnCpu(false);
    const expected = await clip.encodeTexts(texts);
    faults.recordOnCpu(true);
    const counts = [];
    for (const rows of [11, 16, 9, 13, 16]) {
      const found = await clip.encodeTexts(texts.slice(0, rows));
      counts.push(faults.graphCounts());
      assert.equal(found.length, rows);
      for (const [row, vector] of found.entries()) {
        assert.ok(
          vector.every((value, i) => Math.abs(value - expected[row]![i]!) < 1e-6),
          `text ${row} of ${rows}`,
        );
      }
    }
    assert.deepEqual(
      counts.map(({ recorded, replayed }) => [recorded, replayed]),
      [
        [0, 0],
        [1, 1],
        [1, 2],
        [1, 3],
        [1, 4],
      ],
    );
    await clip.close();
  });

  it("do without where recording runs out of memory", async () => {
    const clip = await ClipModel.load("demo", { device: "cpu", dtype: "float32" });
    const [picture] = demoPictures;
    faults.recordOnCpu(true);
    const [expected] = await clip.encodeImages([picture!]);
    // The first run of the recording.
    faults.armFault("out-of-memory", 1);
    const results = [await clip.encodeImages([picture!]), await clip.encodeImages([picture!])];
    assert.equal(faults.faultsFired(), 1);
    assert.equal(faults.graphCounts().recorded, 0);
    for (const [vector] of results) assert.deepEqual(vector, expected);
    await clip.close();
  });

  describe("of BLIP's steps", () => {
    const CPU = { device: "cpu", dtype: "float32" } as const;
    const FIXED = { minLength: 12, maxLength: 12 };
    // One, so that it is always a batch of one.
    const some = demoPictures.slice(0, 1);

    // The load measures batches of one, too.
    beforeEach(() => faults.recordOnCpu(false));

    it("are recorded at a shape's second call, one for each place of a text", async () => {
      const blip = await BlipModel.load("demo", CPU);
      faults.recordOnCpu(true);
      await blip.caption(some, FIXED);
      assert.deepEqual(faults.graphCounts(), { recorded: 0, replayed: 0 });
      for (let call = 2; call <= 4; call++) {
        await blip.caption(some, FIXED);
        // The tower, what the texts look at, and eleven steps behind the start token.
        assert.deepEqual(faults.graphCounts(), { recorded: 13, replayed: 13 * (call - 1) });
      }
      // A longer text has a place of its own: what its tokens are chosen with is longer, too.
      for (let call = 1; call <= 2; call++) await blip.caption(some, { minLength: 14, maxLength: 14 });
      assert.equal(faults.graphCounts().recorded, 13 + 1 + 13);
      await blip.close();
    });

    it("give each call its own texts, whatever was written at the same place before", async () => {
      const blip = await BlipModel.load("demo", CPU);
      const calls: [string, Parameters<typeof blip.caption>[1]][] = [
        ["greedy search", {}],
        ["a prompt", { prompt: "a large" }],
        ["beams", { numBeams: 3, numReturnSequences: 2 }],
        ["drawn tokens", { doSample: true, seed: 7, numReturnSequences: 2 }],
        ["early ends", { maxLength: 5 }],
      ];
      const groups = [demoPictures.slice(0, 4), demoPictures.slice(4, 8), demoPictures.slice(8, 12)];
      for (const [name, options] of calls) {
        faults.recordOnCpu(false);
        const expected = [];
        for (const pictures of groups) expected.push(await blip.caption(pictures, options));
        faults.recordOnCpu(true);
        // Twice over, so that each group meets what another has left.
        for (let round = 0; round < 2; round++) {
          for (const [index, pictures] of groups.entries()) {
            const actual = await blip.caption(pictures, options);
            assert.deepEqual(
              actual.map(({ tokenIds, alternatives }) => [tokenIds, alternatives]),
              expected[index]!.map(({ tokenIds, alternatives }) => [tokenIds, alternatives]),
              `${name}, group ${index}`,
            );
          }
        }
        assert.ok(faults.graphCounts().replayed > 0, name);
      }
      await blip.close();
    });

    it("do without where recording runs out of memory, at whatever step", async () => {
      const blip = await BlipModel.load("demo", CPU);
      const expected = (await blip.caption(some, FIXED)).map(({ tokenIds }) => tokenIds);
      // Each recording runs its work twice, and a replay, which is every third run, once more.
      for (const nth of [1, 2, 4, 5, 7, 8, 13]) {
        faults.recordOnCpu(false);
        const fresh = await BlipModel.load("demo", CPU);
        faults.recordOnCpu(true);
        await fresh.caption(some, FIXED);
        faults.armFault("out-of-memory", nth);
        for (let call = 0; call < 3; call++) {
          const actual = (await fresh.caption(some, FIXED)).map(({ tokenIds }) => tokenIds);
          assert.deepEqual(actual, expected, `struck at run ${nth}, call ${call}`);
        }
        assert.equal(faults.faultsFired(), 1);
        await fresh.close();
      }
      await blip.close();
    });

    it("are given up when memory runs out, and do without for a while", async () => {
      const blip = await BlipModel.load("demo", CPU);
      const { allocated } = blip.capabilities().memory;
      faults.recordOnCpu(true);
      const expected = (await blip.caption(some, FIXED)).map(({ tokenIds }) => tokenIds);
      await blip.caption(some, FIXED);
      const { recorded } = faults.graphCounts();
      assert.ok(recorded > 0 && blip.capabilities().memory.allocated > allocated);
      // Amid a call that replays.
      faults.armFault("out-of-memory", 5);
      await assert.rejects(blip.caption(some, FIXED), { code: "ERR_OUT_OF_MEMORY" });
      assert.equal(faults.faultsFired(), 1);
      assert.equal(blip.capabilities().memory.allocated, allocated);
      for (let call = 0; call < 3; call++) {
        const actual = (await blip.caption(some, FIXED)).map(({ tokenIds }) => tokenIds);
        assert.deepEqual(actual, expected);
      }
      assert.equal(faults.graphCounts().recorded, recorded);
      await blip.close();
    });

    it("leave nothing behind", async () => {
      const blip = await BlipModel.load("demo", CPU);
      await blip.unload();
      const { allocated } = blip.capabilities().memory;
      faults.recordOnCpu(true);
      for (let call = 0; call < 3; call++) await blip.caption(some, FIXED);
      assert.ok(faults.graphCounts().recorded > 0);
      await blip.unload();
      assert.equal(blip.capabilities().memory.allocated, allocated);
      await blip.close();
    });
  });

  describe("of the steps of many texts", () => {
    const LANES = 40;
    const REDS = 3;
    const checkpoint = new Checkpoint(join(temporaryFolder(), "weights"));
    // Texts of one to twelve tokens: 7 times the index runs through all first tokens.
    const prompts = Array.from({ length: LANES }, (_, index) => ({
      ids: Int32Array.from(index % 5 === 0 ? [1, (7 * index) % 12] : [(7 * index) % 12]),
      maxLength: 14 - (index % 3),
      minLength: 0,
      seed: index,
    }));
    const all = prompts.map((_, index) => index);

    type Texts = Pick<GenerationResult, "sequences" | "scores">;
    /** Scores up to what rounding makes of another number of rows. */
    function assertSame(actual: Texts, expected: Texts) {
      assert.deepEqual(actual.sequences, expected.sequences);
      for (const [index, score] of actual.scores.entries()) {
        assert.ok(Math.abs(score - expected.scores[index]!) < 1e-5, `score ${index}`);
      }
    }

    for (const [name, options] of Object.entries({
      "greedy search": {},
      beams: { numBeams: 3, numReturnSequences: 2, earlyStopping: true },
      "drawn tokens": { doSample: true, numReturnSequences: 2 },
      "drawn beams": { doSample: true, numBeams: 2, earlyStopping: true },
      "bad words": { badWords: [Int32Array.from([4]), Int32Array.from([2, 6])], noRepeatNgramSize: 2 },
    })) {
      it(`go on with half of the lanes where the others are done: ${name}`, async () => {
        const module = await binding.buildModule(tableBlipSpec(checkpoint, REDS), { ...ON_CPU, prepare: true });
        const generation = { ...GREEDY, endTokenId: END, padTokenId: PAD, ...options };
        const write = async (chosen: number[]) => {
          const batch = plainPictures(chosen.map((index) => [index % REDS, 0, 0]));
          const chosenPrompts = chosen.map((index) => prompts[index]!);
          const { sequences, scores } = await binding.caption(module, batch, chosenPrompts, generation, RUN);
          return { sequences, scores };
        };
        faults.recordOnCpu(false);
        const expected = await write(all);
        const lengths = expected.sequences.map(({ length }) => length);
        assert.ok(new Set(lengths).size > 3, "texts end one after another");

        // As many, of which nearly all are long; the first two are for the same bounds.
        const perLane = lengths.length / LANES;
        const longest = Math.floor(lengths.indexOf(Math.max(...lengths)) / perLane);
        const long = all.map((index) => (index < 2 ? index : longest));
        faults.recordOnCpu(true);
        for (let call = 0; call < 2; call++) await write(long);
        const { recorded } = faults.graphCounts();
        for (let call = 0; call < 3; call++) assertSame(await write(all), expected);
        assert.ok(faults.graphCounts().recorded > recorded, "steps with fewer lanes have graphs of their own");
        for (let call = 0; call < 2; call++) await write(long);
        assertSame(await write(all), expected);
        await binding.unloadModule(module);
      });
    }
  });

  it("leave nothing behind", async () => {
    const clip = await ClipModel.load("demo", { device: "cpu", dtype: "float32" });
    await clip.unload();
    const before = clip.capabilities().memory.allocated;
    for (let i = 0; i < 3; i++) await clip.encodeImages(demoPictures.slice(0, 2));
    await clip.unload();
    assert.equal(clip.capabilities().memory.allocated, before);
    await clip.close();
  });
});
