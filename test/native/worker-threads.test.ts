import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { test } from "vitest";
import { native } from "../../lib/native/instance.js";
import { Checkpoint, CPU, plainPictures, RUN, temporaryFolder, tinyClipSpec } from "./helpers.js";

const spec = tinyClipSpec(new Checkpoint(join(temporaryFolder(), "weights")));
const batch = plainPictures([[2, 4, 6]]);

function start(busy: boolean): Worker {
  return new Worker(new URL("./worker-thread.mjs", import.meta.url), { workerData: { spec, batch, busy } });
}

test("the addon loads in worker threads, without the main thread and beside it", async () => {
  const workers = [start(false), start(false)];
  await Promise.all(
    workers.map(async (worker) => {
      const exit = once(worker, "exit");
      assert.deepEqual(await once(worker, "message"), [[1, 2, 3, 6]]);
      assert.deepEqual(await exit, [0]);
    }),
  );
  const module = await native().buildModule(spec, CPU);
  const { data } = await native().encodeImages(module, batch, false, RUN);
  assert.deepEqual([...data], [1, 2, 3, 6]);
  await native().unloadModule(module);
});

test("a worker thread that is terminated amid calls takes its modules with it", async () => {
  const before = native().liveModules();
  for (let i = 0; i < 5; i++) {
    const worker = start(true);
    await once(worker, "message");
    await worker.terminate();
  }
  assert.equal(native().liveModules(), before);
});
