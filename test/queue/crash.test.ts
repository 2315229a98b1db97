import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createJobBackend, type JobBackend, type JobRequest, type JobStatus } from "clip-blip/queue";
import { afterAll, afterEach, beforeAll, beforeEach, describe, it } from "vitest";
import { buildWorkerProcess, removeWorkerProcess, WorkerProcess } from "./processes.js";
import { RedisServer, until } from "./redis.js";
import { dataImages } from "./stand-in.js";
import type { ProcessOptions } from "./worker-process.js";

/** A worker that is not heard of for so long has lost its jobs. */
const STALLED_AFTER = 1000;

/** Milliseconds that a picture takes. */
const SLOW = 15;

let redis: RedisServer;
let backend: JobBackend;
let folder: string;
let workers: WorkerProcess[] = [];

beforeAll(async () => {
  buildWorkerProcess();
  redis = await RedisServer.start();
});
afterAll(async () => {
  await redis.remove();
  removeWorkerProcess();
});
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "clip-blip-queue-"));
  backend = await createJobBackend({ redis: redis.url });
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.kill()));
  workers = [];
  await backend.close();
  rmSync(folder, { recursive: true, force: true });
});

async function startWorker(options: Partial<ProcessOptions> = {}): Promise<WorkerProcess> {
  const worker = WorkerProcess.start({ redis: redis.url, stalledAfter: STALLED_AFTER, slow: SLOW, ...options });
  workers.push(worker);
  await worker.ready;
  return worker;
}

const status = async (id: string) => (await backend.status(id))!;
const ends = (id: string): Promise<JobStatus> =>
  until(async () => {
    const found = await backend.status(id).catch(() => undefined);
    return found?.state === "completed" ? found : undefined;
  }, 40);
const begins = (id: string) => until(async () => (await status(id)).progress.done > 0);

/** Every picture has its own caption, once, in the order of the request. */
function assertEachOnce({ progress, results }: JobStatus, { images }: JobRequest): void {
  assert.deepEqual(progress, { done: images.length, failed: 0, total: images.length });
  const keys = images.map(({ key }) => key);
  assert.deepEqual(
    results!.map(({ key }) => key),
    keys,
  );
  assert.deepEqual(
    results!.map((result) => "caption" in result && result.caption.text),
    keys,
  );
}

const captions = (count: number, name?: string): JobRequest => ({ type: "captions", images: dataImages(count, name) });

describe("each picture has its outcome exactly once", () => {
  it("while workers are killed and others come", async () => {
    const requests = [captions(300, "a"), captions(200, "b"), captions(7, "c")];
    await Promise.all([startWorker(), startWorker(), startWorker()]);
    const ids = await Promise.all(requests.map(async (request) => (await backend.enqueue(request)).id));
    await begins(ids[0]!);
    await workers[0]!.kill();
    await Promise.all([workers[1]!.kill(), startWorker()]);
    for (const [index, id] of ids.entries()) assertEachOnce(await ends(id), requests[index]!);
    const first = workers.slice(0, 2).map(({ child }) => child.signalCode);
    assert.deepEqual(first, ["SIGKILL", "SIGKILL"]);
  });

  it("while Redis is killed and started again", async () => {
    const request = captions(300);
    const worker = await startWorker();
    const { id } = await backend.enqueue(request);
    await begins(id);
    await redis.kill();
    await assert.rejects(backend.status(id), { code: "ERR_QUEUE_UNAVAILABLE" });
    await delay(500);
    await redis.start();
    assertEachOnce(await ends(id), request);
    assert.equal(worker.child.exitCode, null);
    assert.match(worker.log, /cannot be reached \([^)]+\): trying again\n(.*\n)*.*can be reached again/);
    assert.equal(worker.log.match(/trying again/g)!.length, 1, worker.log);
  });

  it("where a worker stands still and goes on when others have its jobs", async () => {
    const request = captions(100);
    const sleeper = await startWorker();
    const { id } = await backend.enqueue(request);
    await begins(id);
    sleeper.child.kill("SIGSTOP");
    const { done } = (await status(id)).progress;
    assert.ok(done < 100);
    const other = await startWorker();
    const end = await ends(id);
    sleeper.child.kill("SIGCONT");
    assertEachOnce(end, request);
    assert.match(other.log, /was left by a lost worker/);
    await delay(300);
    assertEachOnce(await status(id), request);
    sleeper.child.kill("SIGTERM");
    assert.deepEqual(await sleeper.exit, { code: 0, signal: null });
  });

  it("in sinks too, whose workers are killed and started again", async () => {
    const requests = [captions(200, "a"), captions(100, "b")];
    const sinks = ["one", "two", "three"].map((name) => join(folder, `${name}.jsonl`));
    await Promise.all(sinks.map((sink) => startWorker({ sink })));
    const ids = await Promise.all(requests.map(async (request) => (await backend.enqueue(request)).id));
    await begins(ids[0]!);
    await Promise.all(workers.map((worker) => worker.kill()));
    await Promise.all(sinks.map((sink) => startWorker({ sink })));
    for (const [index, id] of ids.entries()) {
      const { progress, results } = await ends(id);
      const total = requests[index]!.images.length;
      assert.deepEqual([progress, results], [{ done: total, failed: 0, total }, []]);
    }
    const lines = sinks.flatMap((sink) => readFileSync(sink, "utf8").trimEnd().split("\n"));
    const written = lines
      .map((line) => JSON.parse(line))
      .map(({ job, key, caption }) => {
        assert.equal(caption.text, key);
        return `${job} ${key}`;
      });
    const expected = requests.flatMap(({ images }, index) => images.map(({ key }) => `${ids[index]} ${key}`));
    assert.deepEqual(written.toSorted(), expected.toSorted());
  });
});

describe("a picture that ends every worker", () => {
  it("is given up, and all others have their results", async () => {
    const begun = join(folder, "begun");
    const options = { deadly: "picture-5", begun, slow: 0 };
    const { id } = await backend.enqueue(captions(20));
    let lost = 0;
    for (let ended = false; !ended; ) {
      const worker = await startWorker(options).catch(() => undefined);
      const end = await Promise.race([ends(id), workers.at(-1)!.exit]);
      ended = "state" in end;
      if (!ended) lost += 1;
      if (ended) assert.ok(worker);
    }
    const { progress, results } = await status(id);
    assert.deepEqual(progress, { done: 19, failed: 1, total: 20 });
    const [failure] = results!.filter((result) => "error" in result);
    assert.equal(failure!.key, "picture-5");
    // Once among others, and three times alone.
    assert.equal(lost, 4);
    const deadly = readFileSync(begun, "utf8")
      .split("\n")
      .filter((line) => line === "picture-5");
    assert.equal(deadly.length, 4);
  });
});
