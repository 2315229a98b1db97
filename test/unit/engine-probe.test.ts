import assert from "node:assert/strict";
import { describe, it } from "vitest";
import { fittingItems, probeMemory } from "../../lib/engine/probe.js";
import { isOutOfMemory } from "../../lib/native/errors.js";
import { outOfMemory } from "./support/engine.js";

interface FakeModel {
  /** Bytes that a batch takes. */
  bytes: (size: number) => number;
  budget: number;
  /** The device throws from here on, whatever the budget says. */
  hardLimit?: number;
  largestUseful?: number;
  /** Milliseconds that each item takes. */
  slowness?: number;
  timeBudget?: number;
  timeBudgetWherePlenty?: number;
}

/** Probes a model, and tells what was run. */
async function probe(model: FakeModel) {
  const { bytes, budget, hardLimit = budget, largestUseful = 256, slowness = 0, timeBudget = 1e9 } = model;
  const { timeBudgetWherePlenty = timeBudget } = model;
  const sizes: number[] = [];
  const memory = await probeMemory({
    run: async (size) => {
      sizes.push(size);
      const until = performance.now() + slowness * size;
      while (performance.now() < until);
      if (bytes(size) > hardLimit) throw outOfMemory();
      return bytes(size);
    },
    budget,
    largestUseful,
    timeBudget,
    timeBudgetWherePlenty,
  });
  return { ...memory, sizes, safe: fittingItems(memory, budget) };
}

const line = (fixed: number, perItem: number) => (size: number) => fixed + perItem * size;

describe("the probe", () => {
  it("finds slope and constant, and what fits", async () => {
    const { bytesPerItem, fixedBytes, safe } = await probe({ bytes: line(1000, 20), budget: 5000 });
    assert.deepEqual({ bytesPerItem, fixedBytes, safe }, { bytesPerItem: 20, fixedBytes: 1000, safe: 200 });
  });

  it("doubles the batch once, and checks the size that it promises with a run", async () => {
    const { sizes, safe } = await probe({ bytes: line(0, 10), budget: 2000 });
    assert.equal(safe, 200);
    assert.deepEqual(sizes, [1, 2, 4, 8, 16, 200]);
  });

  it("checks the largest useful size where more would fit", async () => {
    const { sizes, safe } = await probe({ bytes: line(0, 10), budget: 20_000, largestUseful: 256 });
    assert.equal(safe, 2000);
    assert.deepEqual(sizes, [1, 2, 4, 8, 16, 256]);
    assert.deepEqual((await probe({ bytes: line(0, 10), budget: 1e6, largestUseful: 8 })).sizes, [1, 2, 4, 8]);
    assert.deepEqual((await probe({ bytes: line(0, 10), budget: 1e6, largestUseful: 3 })).sizes, [1, 2, 3]);
    assert.deepEqual((await probe({ bytes: line(0, 10), budget: 1e6, largestUseful: 1 })).sizes, [1]);
  });

  it("goes below what it computed when the check does not fit", async () => {
    const { safe, sizes } = await probe({ bytes: line(0, 1e6), budget: 200e6, hardLimit: 150e6 });
    assert.ok(safe <= 150 && safe >= 120, String(safe));
    assert.ok(safe <= sizes.at(-1)!, "what is promised has been run");
    // Steeper for large batches: the peak is above the budget, although nothing throws.
    const steep = (size: number) => (size <= 16 ? 10 * size : 20 * size);
    const careful = await probe({ bytes: steep, budget: 2000, hardLimit: 1e9 });
    assert.ok(careful.safe <= 100 && careful.safe >= 80, String(careful.safe));
  });

  it("measures what fits where memory is short", async () => {
    assert.equal((await probe({ bytes: line(0, 10), budget: 55 })).safe, 5);
    assert.equal((await probe({ bytes: line(0, 10), budget: 15 })).safe, 1);
    assert.equal((await probe({ bytes: line(0, 10), budget: 10 })).safe, 1);
    await assert.rejects(probe({ bytes: line(0, 10), budget: 9 }), isOutOfMemory);
  });

  it("is not misled by a constant that hides the growth of small batches", async () => {
    const hidden = (size: number) => Math.max(1000, 100 * size);
    // Stopped at four items, all of which peak at the constant: the slope between them is 0.
    const { safe } = await probe({ bytes: hidden, budget: 5000, slowness: 4, timeBudget: 30 });
    assert.ok(safe <= 50, `${safe} items of 100 bytes within 5000`);
    // The slope between 8 and 16 is too flat here, too, and the check sees it.
    const checked = await probe({ bytes: hidden, budget: 5000 });
    assert.ok(checked.safe <= 50 && checked.safe >= 45, String(checked.safe));
  });

  it("stays small where a forward is slow, but always runs two sizes", async () => {
    const fast = await probe({ bytes: line(0, 10), budget: 1e9, slowness: 4, timeBudget: 30 });
    assert.ok(Math.max(...fast.sizes) <= 4, fast.sizes.join());
    const slow = await probe({ bytes: line(0, 10), budget: 1e9, slowness: 50, timeBudget: 10 });
    assert.deepEqual(slow.sizes, [1, 2]);
    assert.equal(slow.bytesPerItem, 10);
  });

  it("takes its time only where memory may bound the batches", async () => {
    const slow = { bytes: line(1000, 10), largestUseful: 16, slowness: 4, timeBudget: 1e9, timeBudgetWherePlenty: 10 };
    // 64 items take 1640 bytes; by the run of two items, which the constant weighs on, 32,640.
    const plenty = await probe({ ...slow, budget: 32_640 });
    assert.deepEqual(plenty.sizes, [1, 2]);
    assert.equal(plenty.bytesPerItem, 510, "never too low");
    const scarce = await probe({ ...slow, budget: 32_639 });
    assert.ok(scarce.sizes.length > 2, scarce.sizes.join());
    // Four items show what two could not.
    assert.deepEqual(scarce.sizes, [1, 2, 4]);
    assert.deepEqual((await probe({ ...slow, budget: 1500 })).sizes, [1, 2, 4, 8, 16]);
  });

  it("checks the promise whatever it costs where memory bounds the batches", async () => {
    const { sizes, safe } = await probe({ bytes: line(0, 10), budget: 60, slowness: 20, timeBudget: 10 });
    assert.deepEqual(sizes, [1, 2, 6]);
    assert.equal(safe, 6);
  });

  it("does not take lazy initialisation for slowness", async () => {
    let first = true;
    const sizes: number[] = [];
    await probeMemory({
      run: async (size) => {
        sizes.push(size);
        const until = performance.now() + (first ? 100 : 0);
        first = false;
        while (performance.now() < until);
        return 10 * size;
      },
      budget: 1e9,
      largestUseful: 16,
      timeBudget: 50,
      timeBudgetWherePlenty: 50,
    });
    assert.deepEqual(sizes, [1, 2, 4, 8, 16]);
  });

  it("passes every other error on", async () => {
    const failure = new Error("illegal memory access");
    const failing = (failingSize: number) =>
      probeMemory({
        run: async (size) => {
          if (size === failingSize) throw failure;
          return size;
        },
        budget: 1e9,
        largestUseful: 64,
        timeBudget: 1e9,
        timeBudgetWherePlenty: 1e9,
      });
    for (const size of [1, 2, 16, 64]) await assert.rejects(failing(size), (error) => error === failure);
  });
});
