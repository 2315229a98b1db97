import assert from "node:assert/strict";
import { describe, it } from "vitest";
import { runSplitting } from "../../lib/engine/split.js";
import { isOutOfMemory } from "../../lib/native/errors.js";
import { outOfMemory, random } from "./support/engine.js";

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
      const { outcomes } = await runSplitting(items, {
        forward: async (part) => {
          forwards += 1;
          budget = Math.max(20, budget + Math.floor((next() - 0.5) * 100));
          if (part.length > 1 && fixed + perItem * part.length > budget) throw outOfMemory();
          return part.map((item) => item * 3);
        },
        ranOutOfMemory: () => {
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
    const { outcomes } = await runSplitting([1, 2, 99, 4, 5], {
      forward: async (part) => {
        if (part.includes(99)) throw outOfMemory();
        return part;
      },
      ranOutOfMemory: () => {},
    });
    assert.deepEqual(
      outcomes.map((outcome) => outcome.ok),
      [true, true, false, true, true],
    );
    const failed = outcomes[2]!;
    assert.ok(!failed.ok && isOutOfMemory(failed.error) && /single item/.test((failed.error as Error).message));
  });

  it("uses few sizes, and remembers within the batch what did not fit", async () => {
    const sizes: number[] = [];
    await runSplitting(Array.from({ length: 100 }), {
      forward: async (part) => {
        sizes.push(part.length);
        if (part.length > 10) throw outOfMemory();
        return part;
      },
      ranOutOfMemory: () => {},
    });
    assert.deepEqual(sizes, [100, 64, 32, 16, ...Array(12).fill(8), 4]);
  });

  it("passes every other error on without a retry", async () => {
    let forwards = 0;
    const failure = new Error("illegal memory access");
    const { outcomes } = await runSplitting([1, 2, 3], {
      forward: async () => {
        forwards += 1;
        throw failure;
      },
      ranOutOfMemory: () => {},
    });
    assert.equal(forwards, 1);
    assert.ok(outcomes.every((outcome) => !outcome.ok && outcome.error === failure));
  });
});
