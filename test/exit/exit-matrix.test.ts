// How a process ends, in every state that a model can be in. `npm run test:exit` runs each way out of each state 50
// times; `npm test` runs every way once out of two of the states.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pLimit from "p-limit";
import { describe, it } from "vitest";

const ALL = process.env.CLIP_BLIP_EXIT_RUNS !== undefined;
const RUNS = Number(process.env.CLIP_BLIP_EXIT_RUNS ?? 1);
/** Milliseconds that a process may take to end once it has begun to. */
const HANG = 5000;
/** The same where the load or the calls that are under way finish first. */
const HANG_WITH_WORK = 15_000;

const child = fileURLToPath(new URL("./child.mjs", import.meta.url));

interface Ending {
  status: number | null;
  signal: NodeJS.Signals | null;
}

const EXPECTED: Record<string, Ending> = {
  drain: { status: 0, signal: null },
  exit: { status: 0, signal: null },
  uncaught: { status: 1, signal: null },
  SIGTERM: { status: null, signal: "SIGTERM" },
  SIGINT: { status: null, signal: "SIGINT" },
  "closing-SIGTERM": { status: 0, signal: null },
  terminate: { status: 0, signal: null },
};

async function run(way: string, state: string, delay: number): Promise<void> {
  const started = fork(child, [way, state, String(delay)], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  let complaints = "";
  started.stderr!.on("data", (chunk) => {
    complaints += chunk;
  });
  const ended = once(started, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  await Promise.race([once(started, "message"), ended]);
  await sleep(delay);
  const leaving = performance.now();
  if (way.endsWith("SIGTERM")) started.kill("SIGTERM");
  if (way === "SIGINT") started.kill("SIGINT");
  const limit = ["drain", "closing-SIGTERM", "terminate"].includes(way) ? HANG_WITH_WORK : HANG;
  const timer = setTimeout(() => started.kill("SIGKILL"), limit);
  const [status, signal] = await ended;
  clearTimeout(timer);
  const took = Math.round(performance.now() - leaving);
  assert.deepEqual({ status, signal }, EXPECTED[way], `after ${delay} ms, ended after ${took} ms: ${complaints}`);
  assert.doesNotMatch(complaints, /FATAL|terminate called|Assertion|Segmentation/);
  if (way !== "uncaught") assert.equal(complaints, "");
}

const STATES = ["idle", "loading", "running", "queued"];
const pairs = STATES.flatMap((state, row) =>
  Object.keys(EXPECTED)
    .filter((_, column) => ALL || (row + column) % 2 === 1)
    .map((way) => ({ way, state })),
);

describe(`ways out of states, ${RUNS} times each`, { concurrent: true }, () => {
  const turn = pLimit(2);
  for (const { way, state } of pairs) {
    it(`${way} while ${state}`, async () => {
      // Another moment of the load, or of the call, each time.
      await Promise.all(Array.from({ length: RUNS }, (_, index) => turn(() => run(way, state, (index * 37) % 500))));
    });
  }
});
