// Worker threads that share the devices of a process. `npm run test:exit` starts 500 of them, `npm test` a few.
import assert from "node:assert/strict";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import pLimit from "p-limit";
import { test } from "vitest";
import { native } from "../../dist/native/instance.js";
import { assertSameVectors, demoPictures, loadClip } from "../library/models.js";

const THREADS = Number(process.env.CLIP_BLIP_EXIT_THREADS ?? 6);
/** Bytes of resident memory that hundreds of threads may leave behind: what malloc keeps of theirs. */
const LEFT_BEHIND = 64 << 20;

const start = (calls?: number) => new Worker(new URL("./busy-worker.mjs", import.meta.url), { workerData: { calls } });

const picture = demoPictures.find((path) => path.endsWith(".jpg"))!;

async function expectedVector(): Promise<Float32Array> {
  await using clip = await loadClip();
  return (await clip.encodeImages([picture]))[0]!;
}

test(`${THREADS} threads that load, run and are terminated leave nothing behind`, async () => {
  const expected = await expectedVector();
  const { liveJobs, liveModules, memory } = native();
  const counters = () => ({ modules: liveModules(), jobs: liveJobs(), bytes: memory("cpu").allocated });
  const before = counters();
  const resident: number[] = [];
  const turn = pLimit(2);
  await Promise.all(
    Array.from({ length: THREADS }, () =>
      turn(async () => {
        const worker = start();
        const failed = once(worker, "error").then(([error]) => Promise.reject(error));
        failed.catch(() => {});
        const [vector] = await Promise.race([once(worker, "message"), failed]);
        assertSameVectors([vector as Float32Array], [expected]);
        await worker.terminate();
        resident.push(process.memoryUsage.rss());
      }),
    ),
  );
  assert.deepEqual(counters(), before);
  if (resident.length >= 100) {
    const growth = resident.at(-1)! - resident[50]!;
    assert.ok(growth < LEFT_BEHIND, `${Math.round(growth / 1024)} KiB more after the 50th thread`);
  }
  // The turn on the device was given up, too.
  assertSameVectors([await expectedVector()], [expected]);
});

test("8 threads share a device, each with its own results", async () => {
  const calls = 5;
  const expected = await expectedVector();
  const before = native().liveModules();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const worker = start(calls);
      const vectors: Float32Array[] = [];
      worker.on("message", (vector: Float32Array) => vectors.push(vector));
      assert.deepEqual(await once(worker, "exit"), [0]);
      assertSameVectors(vectors, Array(calls).fill(expected));
    }),
  );
  assert.equal(native().liveModules(), before);
});
