import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { BlipModel, ClipModel } from "clip-blip";
import {
  createJobBackend,
  type JobBackend,
  type JobRequest,
  type JobStatus,
  type JobWorker,
  startWorker,
  type WorkerOptions,
} from "clip-blip/queue";
import { createServer } from "clip-blip/server";
import { afterAll, beforeAll, describe, it } from "vitest";
import { native } from "../../dist/native/instance.js";
import type { BatchEvent } from "../../lib/engine/events.js";
import { demoPictures, loadBlip, loadClip, repositoryPath } from "../library/models.js";
import { RedisServer, until } from "./redis.js";
import { dataImages, standIns } from "./stand-in.js";

let redis: RedisServer;
let backend: JobBackend;
let folder: string;
beforeAll(async () => {
  redis = await RedisServer.start();
  backend = await createJobBackend({ redis: redis.url });
  folder = mkdtempSync(join(tmpdir(), "clip-blip-jobs-"));
});
afterAll(async () => {
  await backend.close();
  await redis.remove();
  rmSync(folder, { recursive: true, force: true });
});

const images = demoPictures.map((path) => ({ key: basename(path), uri: pathToFileURL(path).href }));
const roots = [repositoryPath("models/demo-pictures")];

async function finish(request: JobRequest): Promise<JobStatus> {
  const { id } = await backend.enqueue(request);
  return until(async () => {
    const status = await backend.status(id);
    return status?.state === "completed" ? status : undefined;
  });
}

async function withWorker<T>(options: Partial<WorkerOptions>, work: (worker: JobWorker) => Promise<T>): Promise<T> {
  const worker = await startWorker({ redis: redis.url, ...options });
  try {
    return await work(worker);
  } finally {
    await worker.close();
  }
}

describe("jobs on the demo models", () => {
  let clip: ClipModel;
  let blip: BlipModel;
  let worker: JobWorker;
  beforeAll(async () => {
    clip = await loadClip({ maxBatchSize: 8 });
    blip = await loadBlip();
    worker = await startWorker({ redis: redis.url, clip, blip, roots });
  });
  afterAll(async () => {
    await worker.close();
    await clip.close();
    await blip.close();
  });

  for (const normalize of [true, false]) {
    it(`embeddings are those of the library, normalize: ${normalize}`, async () => {
      const { progress, results } = await finish({ type: "embeddings", images, options: { normalize } });
      assert.deepEqual(progress, { done: 16, failed: 0, total: 16 });
      const expected = await clip.encodeImages(demoPictures, { normalize });
      for (const [index, result] of results!.entries()) {
        assert.ok("embedding" in result && result.key === images[index]!.key);
        const vector = expected[index]!;
        assert.equal(result.embedding.length, vector.length);
        const largest = Math.max(...vector.map(Math.abs));
        for (const [place, value] of result.embedding.entries()) {
          assert.ok(Math.abs(value - vector[place]!) < 1e-5 * largest);
        }
      }
    });
  }

  it("captions are those of the library, options included", async () => {
    const options = { prompt: "three small", maxLength: 9 };
    const { results } = await finish({ type: "captions", images, options });
    const expected = await blip.caption(demoPictures, options);
    assert.deepEqual(
      results!.map((result) => "caption" in result && result.caption.tokenIds),
      expected.map(({ tokenIds }) => tokenIds),
    );
  });

  it("go through the service", async () => {
    const jobs = await createJobBackend({ redis: redis.url });
    const server = createServer({ jobs, logger: false });
    const uris = [...images.slice(0, 2).map(({ uri }) => uri), "data:image/png;base64,AAAA"];
    const payload = { type: "embeddings", images: uris };
    const accepted = await server.inject({ method: "POST", url: "/api/v1/jobs", payload });
    assert.equal(accepted.statusCode, 202, accepted.body);
    const url = `/api/v1/jobs/${accepted.json().id}`;
    const { results, progress } = await until(async () => {
      const status = (await server.inject({ url })).json();
      return status.state === "completed" ? status : undefined;
    });
    assert.deepEqual(progress, { done: 2, failed: 1, total: 3 });
    assert.deepEqual(
      results.map(({ key }: { key: string }) => key),
      [uris[0], uris[1], "2"],
    );
    assert.equal(results[2].error.code, "ERR_IMAGE_DECODE");
    assert.equal((await server.inject({ url: `/api/v1/jobs/${accepted.json().id}:outcomes` })).statusCode, 404);
    await server.close();
  });

  it("a picture that fails says why, and the others go on", async () => {
    const broken = join(folder, "broken.jpg");
    writeFileSync(broken, readFileSync(demoPictures[0]!).subarray(0, 200));
    await withWorker({ clip, roots: [...roots, folder] }, async () => {
      await worker.close();
      const mixed = [
        images[0]!,
        { key: "broken", uri: pathToFileURL(broken).href },
        { key: "missing", uri: pathToFileURL(join(folder, "missing.jpg")).href },
        { key: "folder", uri: `${pathToFileURL(folder).href}/` },
        { key: "empty", uri: "data:," },
        images[1]!,
      ];
      const { progress, results } = await finish({ type: "embeddings", images: mixed });
      assert.deepEqual(progress, { done: 2, failed: 4, total: 6 });
      const codes = results!.map((result) => ("error" in result ? result.error.code : result.key));
      const [decode, missing] = ["ERR_IMAGE_DECODE", "ERR_IMAGE_NOT_FOUND"];
      assert.deepEqual(codes, [images[0]!.key, decode, missing, "ERR_INVALID_ARGUMENT", decode, images[1]!.key]);
    });
    worker = await startWorker({ redis: redis.url, clip, blip, roots });
  });
});

// With the device held until all are decoded: how many would meet by chance is a matter of how fast that goes.
it("pictures of many jobs share batches", async () => {
  await using clip = await loadClip({ maxBatchSize: 8 });
  const requests = images.map((image) => [image]);
  const batches: BatchEvent[] = [];
  let prepared = 0;
  const onBatch = (event: unknown) => batches.push(event as BatchEvent);
  const onPreparation = () => prepared++;
  subscribe("clip-blip:batch", onBatch);
  subscribe("clip-blip:preparation", onPreparation);
  assert.ok(native().tryAcquireDevice("cpu"));
  let held = true;
  const release = () => {
    if (held) native().releaseDevice("cpu");
    held = false;
  };
  try {
    const ids = await Promise.all(requests.map((one) => backend.enqueue({ type: "embeddings", images: one })));
    await withWorker({ clip, roots }, async () => {
      try {
        await until(() => prepared === requests.length);
        release();
        for (const { id } of ids) await until(async () => (await backend.status(id))?.state === "completed");
      } finally {
        release();
      }
    });
  } finally {
    release();
    unsubscribe("clip-blip:batch", onBatch);
    unsubscribe("clip-blip:preparation", onPreparation);
  }
  assert.equal(
    batches.reduce((sum, { items }) => sum + items, 0),
    requests.length,
  );
  assert.ok(batches.length <= requests.length / 2, `${batches.length} batches`);
});

describe("what a worker may read", () => {
  const codeOf = async (uri: string, options: Partial<WorkerOptions>) =>
    withWorker({ ...standIns(), ...options }, async () => {
      const { results } = await finish({ type: "captions", images: [{ key: "it", uri }] });
      const [result] = results!;
      return "error" in result! ? result.error : "read";
    });

  it("is below its roots, links included, and nothing where it has none", async () => {
    const inside = join(folder, "inside");
    mkdirSync(join(inside, "deeper"), { recursive: true });
    writeFileSync(join(folder, "secret"), "secret");
    copyFileSync(demoPictures[0]!, join(inside, "deeper", "a b.jpg"));
    symlinkSync(join(folder, "secret"), join(inside, "link"));
    symlinkSync(inside, join(folder, "alias"));
    const uri = (...way: string[]) => pathToFileURL(join(folder, ...way)).href;
    const options = { roots: [join(folder, "alias")] };
    assert.equal(await codeOf(uri("alias", "deeper", "a b.jpg"), options), "read");
    assert.equal(await codeOf(uri("inside", "deeper", "a b.jpg"), options), "read");
    const outside = ["inside/link", "secret", "insider", "inside/../secret", "inside/%2e%2e/secret", "inside"];
    for (const way of [...outside.map((one) => `${pathToFileURL(folder).href}/${one}`), "file:///etc/passwd"]) {
      const error = await codeOf(way, options);
      assert.ok(typeof error === "object" && error.code === "ERR_INVALID_ARGUMENT", `${way}: ${JSON.stringify(error)}`);
      assert.match(error.message, /is not in a folder that this worker may read/);
    }
    for (const strange of ["file://elsewhere/a.jpg", `${pathToFileURL(inside).href}%2fdeeper`]) {
      const error = await codeOf(strange, options);
      assert.ok(typeof error === "object" && error.code === "ERR_INVALID_ARGUMENT", strange);
    }
    const none = await codeOf(uri("inside", "deeper", "a b.jpg"), {});
    assert.ok(typeof none === "object" && none.code === "ERR_INVALID_ARGUMENT");
  });

  it("is nothing by URL, unless it may", async () => {
    const refused = await codeOf("http://127.0.0.1/", {});
    assert.ok(typeof refused === "object" && /start it with allowRemote/.test(refused.message));
    const inside = await codeOf("http://127.0.0.1/", { allowRemote: true });
    assert.ok(typeof inside === "object" && /not public/.test(inside.message));
  });
});

describe("a queue of jobs", () => {
  it("that nobody works on says so, and forgets what it was not asked for", async () => {
    const { id } = await backend.enqueue({ type: "embeddings", images: dataImages(3) });
    assert.deepEqual(await backend.status(id), { id, state: "waiting", progress: { done: 0, failed: 0, total: 3 } });
    assert.equal(await backend.status("00000000-0000-4000-8000-000000000000"), undefined);
    assert.equal(await backend.status("../x"), undefined);
    await withWorker(standIns(), async () => {
      await until(async () => (await backend.status(id))?.state === "completed");
    });
  });

  it("takes no jobs of another type, name or prefix", async () => {
    const other = await createJobBackend({ redis: redis.url, queue: "other", prefix: "{mine}" });
    const { clip, blip } = standIns();
    const mine = await other.enqueue({ type: "captions", images: dataImages(1) });
    const foreign = await backend.enqueue({ type: "captions", images: dataImages(1) });
    await withWorker({ clip }, async () => {
      await withWorker({ blip, queue: "other", prefix: "{mine}" }, async () => {
        await until(async () => (await other.status(mine.id))?.state === "completed");
        assert.equal((await backend.status(foreign.id))?.state, "waiting");
      });
    });
    await withWorker({ blip }, () => until(async () => (await backend.status(foreign.id))?.state === "completed"));
    await other.close();
  });

  it("shares a job among its workers", async () => {
    const counts = [0, 0];
    const options = (index: number) => ({
      ...standIns({ slow: 10 }),
      onPicture: () => {
        counts[index]! += 1;
      },
    });
    await withWorker(options(0), () =>
      withWorker(options(1), () => finish({ type: "captions", images: dataImages(200) })),
    );
    assert.equal(counts[0]! + counts[1]!, 200);
    assert.ok(Math.min(...counts) > 50, `${counts}`);
  });

  it("gives a worker two batches of pictures at a time, however much fits into memory", async () => {
    let [inWork, most] = [0, 0];
    const stand = standIns({ slow: 20, batch: 100_000, onImage: () => (most = Math.max(most, ++inWork)) });
    const options = { ...stand, onPicture: () => void inWork-- };
    await withWorker(options, () => finish({ type: "captions", images: dataImages(200) }));
    assert.equal(inWork, 0);
    assert.ok(most > 16 && most <= 64, `${most} pictures at a time`);
  });

  it("is full at some time", async () => {
    const small = await createJobBackend({ redis: redis.url, queue: "small", maxQueue: 2 });
    const request: JobRequest = { type: "captions", images: dataImages(32) };
    await small.enqueue(request);
    await assert.rejects(small.enqueue(request), { code: "ERR_QUEUE_FULL" });
    await small.close();
    await assert.rejects(small.enqueue(request), { code: "ERR_CLOSED" });
  });

  it("is full where the memory of Redis is", async (t) => {
    const small = await RedisServer.start("--maxmemory-policy", "noeviction");
    t.onTestFinished(() => small.remove());
    const own = await createJobBackend({ redis: small.url });
    t.onTestFinished(() => own.close());
    const request: JobRequest = { type: "captions", images: dataImages(40) };
    const { id } = await own.enqueue(request);
    await small.ask((client) => client.config("SET", "maxmemory", "1mb"));
    await assert.rejects(own.enqueue(request), { code: "ERR_QUEUE_FULL", message: /Redis is out of memory/ });
    assert.equal((await own.status(id))!.state, "waiting");
  });

  it("gives up what BullMQ has given up, and says why", async () => {
    const { blip } = standIns();
    const { id } = await backend.enqueue({ type: "captions", images: dataImages(3) });
    const queue = await redis.ask((client) => client.keys(`*captions:${id}-0`));
    // As if its last attempt had ended in a way that the worker knows nothing of.
    await redis.ask((client) => client.hset(queue[0]!, "defa", "it was given up"));
    await withWorker({ blip }, async () => {
      const { progress, results } = await until(async () => {
        const status = await backend.status(id);
        return status?.state === "completed" ? status : undefined;
      });
      assert.deepEqual(progress, { done: 0, failed: 3, total: 3 });
      const message = "it was given up";
      for (const result of results!)
        assert.deepEqual("error" in result && result.error, { code: "ERR_INTERNAL", message });
    });
  });

  it("keeps results for some time", async () => {
    await withWorker({ ...standIns(), resultTtl: 300 }, async () => {
      const { id } = await finish({ type: "captions", images: dataImages(2) });
      await until(async () => (await backend.status(id)) === undefined);
    });
    const left = await redis.ask((client) => client.keys("*:job:*"));
    for (const key of left) assert.ok((await redis.ask((client) => client.pttl(key))) > 0, `${key} stays for ever`);
  });
});
