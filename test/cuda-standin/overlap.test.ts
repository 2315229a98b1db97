import assert from "node:assert/strict";
import { it } from "vitest";
import { runProgram } from "./program.js";
import { describeEach, program } from "./suite.js";

describeEach("a batch behind another one on the stand-in", (standin) => {
  it("is brought while the device works on the one before", async () => {
    const [{ room } = {}, ...rounds] = await runProgram<Record<string, number>>(standin, program("overlap"));
    assert.equal(room, 1, "room for one batch");
    assert.deepEqual(rounds.pop(), { left: 0, allocated: 0 }, "an unloading gives it back");
    assert.equal(rounds.length, 3);
    for (const [index, { streamWaits, ...round }] of rounds.entries()) {
      assert.deepEqual(round, {
        batchesThere: 2,
        codes: [null, null],
        bytes: 2,
        // What is there is used again.
        mallocs: 0,
        frees: 0,
        hostAllocs: 0,
        violations: 0,
      });
      // The call waits for its bytes; they wait for the call that had the room before.
      assert.equal(streamWaits, index === 0 ? 1 : 2);
    }
  });
});
