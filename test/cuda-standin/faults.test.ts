import assert from "node:assert/strict";
import { it } from "vitest";
import { runProgram } from "./program.js";
import { describeEach, program } from "./suite.js";

interface Faults {
  during: (string | null)[];
  after: (string | null)[];
  refused: number;
  recordedDuring: number;
  graphsDuring: number;
  replayedAfter: number;
  hostAllocsDuring: number;
  violations: number;
  left: { bytes: number; allocated: number; graphs: number };
}

const NOTHING = { bytes: 0, allocated: 0, graphs: 0 };
const OUT_OF_MEMORY = "ERR_OUT_OF_MEMORY";

describeEach("faults of the stand-in", (standin) => {
  /** Whatever was struck: the calls behind it work, and an unloading gives every byte back. */
  async function strike(...switches: string[]): Promise<Faults> {
    const [result] = await runProgram<Faults>(standin, program("faults"), switches);
    assert.ok(
      result!.after.every((code) => code === null),
      JSON.stringify(result),
    );
    assert.deepEqual(result!.left, NOTHING, JSON.stringify(result));
    return result!;
  }
  const assertGoesOn = ({ during }: Faults) =>
    assert.ok(
      during.every((code) => code === null),
      during.join(),
    );
  /** Each call works, or says that memory has run out. */
  const assertSays = ({ during }: Faults) => {
    for (const code of during) assert.ok(code === null || code === OUT_OF_MEMORY, String(code));
  };

  it("none: calls are recorded and replayed", async () => {
    const result = await strike();
    assertGoesOn(result);
    assert.ok(result.graphsDuring > 0 && result.replayedAfter > 0);
    assert.equal(result.violations, 0);
  });

  it("no pinned memory: calls work or say so", async () => {
    const result = await strike("fail_host_allocs_from=1");
    assertSays(result);
    assert.equal(result.hostAllocsDuring, 0);
  });

  it("graphs that cannot be instantiated: calls do without", async () => {
    const result = await strike("fail_instantiations=1000");
    assertGoesOn(result);
    assert.ok(result.recordedDuring > 0);
    assert.equal(result.graphsDuring, 0);
  });

  for (const node of [1, 5, 40]) {
    it(`a capture that is refused at its node ${node}: calls do without`, async () => {
      const result = await strike(`refuse_captures_at=${node}`);
      assertGoesOn(result);
      assert.ok(result.refused > 0);
    });
  }

  for (const count of [1, 1000]) {
    it(`no memory while a stream captures, ${count} times a call: calls do without`, async () => {
      const result = await strike(`fail_mallocs_in_capture=${count}`);
      assertGoesOn(result);
      assert.ok(result.recordedDuring > 0);
    });
  }

  for (const spared of [0, 1, 2, 3]) {
    it(`no memory in a call behind ${spared} blocks: it works or says so`, async () => {
      // LibTorch tries again when it has given back what it has cached.
      assertSays(await strike("fail_mallocs=2", `spare_mallocs=${spared}`));
    });
  }

  it("no memory for a kernel's code: calls say so", async () => {
    const { during } = await strike("fail_launches=1");
    assert.ok(during.includes(OUT_OF_MEMORY), during.join());
  });

  interface Lost {
    during: string[];
    after: (string | null)[];
    closed: (string | null)[];
  }

  for (const number of [700, 710, 719]) {
    it(`error ${number}: the device is lost, calls say so at once and for good, models can be closed`, async () => {
      const [{ during, after, closed }] = (await runProgram<Lost>(standin, program("lost"), [String(number)])) as [
        Lost,
      ];
      const lost = "ERR_DEVICE_LOST";
      assert.deepEqual(
        { during, after, closed },
        { during: [lost, lost, lost], after: [lost, lost, lost], closed: [null, null] },
      );
    });
  }

  it("error 2: memory has run out, and the device goes on when it is over", async () => {
    const [{ during, after, closed }] = (await runProgram<Lost>(standin, program("lost"), ["2"])) as [Lost];
    assert.deepEqual(during, [OUT_OF_MEMORY, OUT_OF_MEMORY, OUT_OF_MEMORY]);
    assert.deepEqual([...after, ...closed], [null, null, null, null, null]);
  });
});
