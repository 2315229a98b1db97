import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BatchLimit } from "../../lib/engine/batch-limit.js";
import { probeMemory } from "../../lib/engine/probe.js";
import { powerOfTwoBelow, runSplitting } from "../../lib/engine/split.js";
import { ClipBlipError } from "../../lib/errors.js";

/** Mulberry32: a small seeded generator, so that a failing case can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const outOfMemory = () => new ClipBlipError("ERR_OUT_OF_MEMORY", "does not fit");
const isOutOfMemory = (error: unknown) => error instanceof ClipBlipError && error.code === "ERR_OUT_OF_MEMORY";

describe("splitting", () => {
  it("gives the results of the whole batch in order, within 2n - 1 forwards, in 5,000 seeded cases", async () => {
    let splits = 0;
    for (let seed = 1; seed <= 5000; seed++) {
      const next = random(seed);
      const count = 1 + Math.floor(next() * 100);
      const items = Array.from({ length: count }, (_, index) => index);
      const fixed = Math.floor(next() * 50);
      const perItem = 1 + Math.floor(next() * 20);
      // A neighbour on the device takes and gives memory between the forwards.
      let budget = 20 + Math.floor(next() * 2000);
      let forwards = 0;
      const outcomes = await runSplitting(items, {
        forward: async (part) => {
          forwards += 1;
          budget = Math.max(20, budget + Math.floor((next() - 0.5) * 100));
          if (part.length > 1 && fixed + perItem * part.length > budget) throw outOfMemory();
          return part.map((item) => item * 3);
        },
        isOutOfMemory,
        onOutOfMemory: () => {
          splits += 1;
        },
      });
      assert.deepEqual(
        outcomes,
        items.map((item) => ({ ok: true, value: item * 3 })),
        `seed ${seed}`,
      );
      assert.ok(forwards <= 2 * count - 1, `seed ${seed}: ${forwards} forwards for ${count} items`);
    }
    assert.ok(splits > 1000, "the cases must split");
  });

  it("fails the one item alone that does not fit", async () => {
    const outcomes = await runSplitting([1, 2, 99, 4, 5], {
      forward: async (part) => {
        if (part.includes(99)) throw outOfMemory();
        return part;
      },
      isOutOfMemory,
      onOutOfMemory: () => {},
    });
    assert.deepEqual(
      outcomes.map((outcome) => outcome.ok),
      [true, true, false, true, true],
    );
    const failed = outcomes[2]!;
    assert.ok(!failed.ok && isOutOfMemory(failed.error) && /alone/.test((failed.error as Error).message));
  });

  it("uses few sizes, and remembers within the batch what did not fit", async () => {
    const sizes: number[] = [];
    await runSplitting(Array.from({ length: 100 }), {
      forward: async (part) => {
        sizes.push(part.length);
        if (part.length > 10) throw outOfMemory();
        return part;
      },
      isOutOfMemory,
      onOutOfMemory: () => {},
    });
    assert.deepEqual(sizes, [100, 64, 32, 16, ...Array(12).fill(8), 4]);
    assert.deepEqual([1, 2, 3, 4, 5, 8, 9, 16, 17].map(powerOfTwoBelow), [1, 1, 2, 2, 4, 4, 8, 8, 16]);
  });

  it("passes every other error on without a retry", async () => {
    let forwards = 0;
    const failure = new Error("illegal memory access");
    const outcomes = await runSplitting([1, 2, 3], {
      forward: async () => {
        forwards += 1;
        throw failure;
      },
      isOutOfMemory,
      onOutOfMemory: () => assert.fail("not out of memory"),
    });
    assert.equal(forwards, 1);
    assert.ok(outcomes.every((outcome) => !outcome.ok && outcome.error === failure));
  });
});

describe("the learned batch size", () => {
  it("halves when memory runs out and comes back after full batches that fit", () => {
    const limit = new BatchLimit(64);
    limit.shrink(64);
    limit.shrink(32);
    assert.equal(limit.current, 16);
    for (let run = 0; run < 16; run++) limit.succeeded(16);
    assert.equal(limit.current, 32);
    for (let run = 0; run < 100; run++) limit.succeeded(3);
    assert.equal(limit.current, 32, "small batches prove nothing");
    for (let run = 0; run < 100; run++) limit.succeeded(limit.current);
    assert.equal(limit.current, 64, "never above what was measured");
    limit.shrink(1);
    assert.equal(limit.current, 1);
  });
});

describe("the probe", () => {
  const probe = (fixed: number, perItem: number, budget: number, hardLimit = budget) => {
    const sizes: number[] = [];
    const result = probeMemory({
      run: async (size) => {
        sizes.push(size);
        const bytes = fixed + perItem * size;
        if (bytes > hardLimit) throw outOfMemory();
        return bytes;
      },
      isOutOfMemory,
      budget,
      largestUseful: 256,
      timeBudget: 1e9,
    });
    return result.then((memory) => ({ ...memory, sizes }));
  };

  it("finds slope and constant, and what fits", async () => {
    const { bytesPerItem, fixedBytes, safeBatchSize } = await probe(1000, 20, 5000);
    assert.deepEqual(
      { bytesPerItem, fixedBytes, safeBatchSize },
      { bytesPerItem: 20, fixedBytes: 1000, safeBatchSize: 200 },
    );
  });

  it("checks the size it promises with a run", async () => {
    const { sizes, safeBatchSize } = await probe(0, 10, 2000);
    assert.equal(safeBatchSize, 200);
    assert.equal(sizes.at(-1), 200);
  });

  it("goes below what it computed when the check does not fit", async () => {
    const { safeBatchSize } = await probe(0, 10, 2000, 1500);
    assert.ok(safeBatchSize <= 150 && safeBatchSize >= 120, String(safeBatchSize));
  });

  it("measures smaller sizes where the usual ones do not fit", async () => {
    const { safeBatchSize } = await probe(0, 10, 55);
    assert.equal(safeBatchSize, 5);
    assert.equal((await probe(0, 10, 15)).safeBatchSize, 1);
  });

  it("stays small where a forward is slow", async () => {
    const sizes: number[] = [];
    await probeMemory({
      run: async (size) => {
        sizes.push(size);
        const until = performance.now() + 4 * size;
        while (performance.now() < until);
        return 10 * size;
      },
      isOutOfMemory,
      budget: 1e9,
      largestUseful: 256,
      timeBudget: 20,
    });
    assert.ok(Math.max(...sizes) <= 8, sizes.join());
  });
});
