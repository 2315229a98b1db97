import assert from "node:assert/strict";
import { it } from "vitest";
import { runProgram } from "./program.js";
import { describeEach, program } from "./suite.js";

describeEach("two devices of the stand-in", (standin) => {
  it("are used and freed by their own calls only", async () => {
    const lines = await runProgram(standin, program("two-devices"), [], { env: { CUDA_STANDIN_DEVICES: "2" } });
    const closed = lines.pop();
    const oneClosed = lines.pop() as Record<string, number>;
    assert.equal(lines.length, 6);
    for (const line of lines) {
      assert.ok((line.used as number) > 0);
      assert.equal(line.violations, 0);
      assert.deepEqual(line.others, [0, 0, 0, 0], JSON.stringify(line));
    }
    assert.equal(oneClosed.used_bytes_device0, 0);
    assert.ok(oneClosed.used_bytes_device1! > 0);
    assert.deepEqual(closed, { used: 0, graphs: 0 });
  });
});
