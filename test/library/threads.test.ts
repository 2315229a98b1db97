import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { test } from "vitest";

// A second team makes libgomp put all threads to sleep between loops: native/device/own_thread.h.
test("one thread runs the calls of the CPU, and OpenMP has one team", () => {
  const program = fileURLToPath(new URL("./openmp-team.ts", import.meta.url));
  // Each CPU has a thread at most, whatever is asked for.
  for (const team of availableParallelism() > 1 ? [1, 2] : [1]) {
    const env = { ...process.env, OMP_NUM_THREADS: String(team) };
    const added = execFileSync(process.execPath, ["--import", "tsx", program], { encoding: "utf8", env });
    assert.equal(Number(added), team, `OMP_NUM_THREADS=${team}`);
  }
});
