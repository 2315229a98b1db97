// `npm run test:soak`: 48,000 calls, which take 3 minutes on 2 cores, or CLIP_BLIP_SOAK_CALLS: a million for an hour.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test } from "vitest";
import type { SoakReport } from "./child.js";
import { slopeOf } from "./slope.js";

const CALLS = Number(process.env.CLIP_BLIP_SOAK_CALLS ?? 48_000);
/** Enough for a leak of 1 KB a call to show. */
const CALLS_WITH_LEAK = Math.min(CALLS, 48_000);

/** Bytes in use that a call may add. */
const MAX_BYTES = 100;

/**
 * malloc gives back what is free: one arena for the threads of the pool, as several fragment, each in its own time, and
 * thresholds that do not move with the sizes of the pictures.
 */
const SETTLED_MALLOC = { MALLOC_ARENA_MAX: "1", MALLOC_TRIM_THRESHOLD_: "131072", MALLOC_MMAP_THRESHOLD_: "131072" };

async function soak(...args: string[]): Promise<SoakReport> {
  const child = fileURLToPath(new URL("./child.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", "--import", "tsx", child, ...args], {
    env: { ...process.env, ...SETTLED_MALLOC },
  });
  return JSON.parse(stdout) as SoakReport;
}

const NOTHING = { modules: 0, jobs: 0, bytes: 0 };

test("the slope of a line with outliers is that of the line", () => {
  const points = Array.from({ length: 99 }, (_, x): [number, number] => [x, 3 * x + (x % 10 === 0 ? 1000 : 0)]);
  assert.equal(slopeOf(points), 3);
});

test(`${CALLS} calls of every kind leave less than ${MAX_BYTES} bytes a call behind, and no module, job or tensor`, async (t) => {
  const { calls, samples, slope, left } = await soak(String(CALLS));
  t.annotate(`${calls} calls, ${slope.toFixed(1)} bytes a call`);
  assert.ok(samples >= 50);
  assert.deepEqual(left, NOTHING);
  assert.ok(slope <= MAX_BYTES, `${slope} bytes a call over ${calls} calls`);
});

test(`${CALLS_WITH_LEAK} calls with a leak of 1 KB a call: it is seen`, async (t) => {
  const { calls, slope, left } = await soak(String(CALLS_WITH_LEAK), "leak");
  t.annotate(`${calls} calls, ${slope.toFixed(1)} bytes a call`);
  assert.deepEqual(left, NOTHING);
  assert.ok(slope > MAX_BYTES, `${slope} bytes a call over ${calls} calls`);
});
