import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { createJobBackend, type JobBackend, startWorker as startStandIn } from "clip-blip/queue";
import { afterAll, afterEach, beforeAll, describe, it } from "vitest";
import { run, start } from "../cli/support.js";
import { demoPictures, repositoryPath } from "../library/models.js";
import { WorkerProcess } from "./processes.js";
import { RedisServer, until } from "./redis.js";
import { standIns } from "./stand-in.js";

let redis: RedisServer;
let backend: JobBackend;
let folder: string;
let workers: WorkerProcess[] = [];
beforeAll(async () => {
  redis = await RedisServer.start();
  backend = await createJobBackend({ redis: redis.url });
  folder = mkdtempSync(join(tmpdir(), "clip-blip-worker-"));
});
afterAll(async () => {
  await backend.close();
  await redis.remove();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.kill()));
  workers = [];
});

const ROOT = repositoryPath("models/demo-pictures");
const startWorker = (args: string[], env: NodeJS.ProcessEnv = {}, isReady = /Ready for/) => {
  const child = start(["worker", "--device", "cpu", ...args], { env: { REDIS_URL: "", ...env } });
  const worker = new WorkerProcess(child, (log) => isReady.test(log));
  workers.push(worker);
  return worker;
};
const pictures = (count: number) =>
  Array.from({ length: count }, (_, index) => {
    const path = demoPictures[index % demoPictures.length]!;
    return { key: `${index} ${basename(path)}`, uri: pathToFileURL(path).href };
  });
const ends = (id: string) =>
  until(async () => {
    const status = await backend.status(id);
    return status?.state === "completed" ? status : undefined;
  });

describe("clip-blip worker", () => {
  it("finishes what it has when it is told to end, and another one does the rest", async () => {
    const sink = join(folder, "out.jsonl");
    const worker = startWorker(["--root", ROOT, "--redis", redis.url, "--sink", sink]);
    await worker.ready;
    const types = ["embeddings", "captions"] as const;
    const jobs = types.map((type) => backend.enqueue({ type, images: pictures(600) }));
    const ids = (await Promise.all(jobs)).map(({ id }) => id);
    const statuses = () => Promise.all(ids.map(async (id) => (await backend.status(id))!));
    await until(async () => (await statuses()).some(({ progress }) => progress.done > 0));
    worker.child.kill("SIGTERM");
    assert.deepEqual(await worker.exit, { code: 0, signal: null }, worker.log);
    assert.match(worker.log, /Shutting down: finishing the work in progress\n.*Ended\n$/);
    const left = await statuses();
    assert.ok(left.some(({ state }) => state === "active"));

    const other = await startStandIn({ redis: redis.url, roots: [ROOT], ...standIns() });
    for (const id of ids) assert.deepEqual((await ends(id)).progress, { done: 600, failed: 0, total: 600 });
    await other.close();
    const inRedis = (await statuses()).flatMap(({ results }) => results!);
    const inSink = readFileSync(sink, "utf8").trimEnd().split("\n");
    assert.ok(inSink.length > 0 && inRedis.length > 0);
    assert.equal(inSink.length + inRedis.length, 1200);
    assert.equal(new Set(inSink.map((line) => JSON.parse(line)).map(({ job, key }) => job + key)).size, inSink.length);
  });

  it("takes one type of jobs only where it is told so, and counts them", async () => {
    const args = ["--only", "captions", "--root", ROOT, "--metrics-port", "0"];
    const worker = startWorker(args, { REDIS_URL: redis.url });
    await worker.ready;
    assert.match(worker.log, /Ready for captions\n/);
    const { id } = await backend.enqueue({ type: "captions", images: pictures(1) });
    const { results } = await ends(id);
    assert.ok("caption" in results![0]! && results![0].caption.text.length > 5);
    const metrics = await (await fetch(/http:\S+/.exec(worker.log)![0])).text();
    assert.match(metrics, /clip_blip_worker_pictures_total\{type="captions",outcome="done"\} 1\n/);
    assert.match(metrics, /# TYPE clip_blip_worker_chunk_seconds histogram/);
    await worker.kill("SIGTERM");
    assert.deepEqual(await worker.exit, { code: 0, signal: null });
  });

  it("waits for a Redis that is not there yet", async (t) => {
    const late = await RedisServer.start();
    t.onTestFinished(() => late.remove());
    await late.kill();
    const worker = startWorker(["--redis", late.url, "--only", "embeddings"], {}, /trying again/);
    await worker.ready;
    await late.start();
    await until(() => /can be reached again\n.*Ready for embeddings/.test(worker.log));
    await late.kill();
    await until(() => worker.log.match(/trying again/g)!.length === 2);
    const told = performance.now();
    worker.child.kill("SIGTERM");
    assert.deepEqual(await worker.exit, { code: 0, signal: null });
    assert.ok(performance.now() - told < 5_000, "nothing was in work");
  });
});

describe("clip-blip serve --redis", () => {
  it("gives jobs to workers, and says so where Redis is gone", async (t) => {
    const own = await RedisServer.start();
    t.onTestFinished(() => own.remove());
    const args = ["serve", "--port", "0", "--no-blip", "--redis", own.url, "--queue", "mine"];
    const service = new WorkerProcess(start([...args, "--log-level", "silent"]), (log) => /blip: http:/.test(log));
    workers.push(service);
    await service.ready;
    const url = `${/http:\S+/.exec(service.log)![0]}/api/v1/jobs`;
    const body = JSON.stringify({ type: "captions", images: ["data:,one", { key: "two", uri: "data:,two" }] });
    const post = () => fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    const accepted = await post();
    assert.equal(accepted.status, 202);
    const { id } = await accepted.json();
    const worker = await startStandIn({ redis: own.url, queue: "mine", ...standIns() });
    const { results } = await until(async () => {
      const status = await (await fetch(`${url}/${id}`)).json();
      return status.state === "completed" ? status : undefined;
    });
    assert.deepEqual(
      results.map(({ key, caption }: { key: string; caption: { text: string } }) => [key, caption.text]),
      [
        ["0", "one"],
        ["two", "two"],
      ],
    );
    await worker.close();
    await own.kill();
    const refused = await post();
    assert.deepEqual([refused.status, (await refused.json()).error.code], [503, "ERR_QUEUE_UNAVAILABLE"]);
    service.child.kill("SIGTERM");
    assert.deepEqual(await service.exit, { code: 0, signal: null });
  });
});

describe("clip-blip worker says what is wrong, and ends:", () => {
  const failing = async (args: string[], env: NodeJS.ProcessEnv = {}) => {
    const { code, err } = await run(["worker", "--device", "cpu", ...args], { env: { REDIS_URL: "", ...env } });
    return { code, err: err.trimEnd().split("\n").at(-1)! };
  };

  it("no URL, and none that Redis has", async () => {
    const none = await failing([]);
    assert.deepEqual(none, { code: 2, err: "clip-blip: worker needs the URL of Redis: set --redis or REDIS_URL." });
    const strange = await failing(["--redis", "http://user:secret@127.0.0.1"]);
    assert.equal(strange.code, 2);
    assert.match(strange.err, /a URL such as redis:/);
    assert.doesNotMatch(strange.err, /secret/);
  });

  it("a wrong password", async (t) => {
    const guarded = await RedisServer.start("--requirepass", "secret");
    t.onTestFinished(() => guarded.remove());
    for (const url of [guarded.url, `redis://:wrong@127.0.0.1:${guarded.port}`]) {
      await assert.rejects(startStandIn({ redis: url, ...standIns() }), {
        code: "ERR_INVALID_ARGUMENT",
        message: /^Redis refuses the connection \((NOAUTH|WRONGPASS).*put user and password into the URL$/,
      });
    }
    const worker = await startStandIn({ redis: `redis://:secret@127.0.0.1:${guarded.port}`, ...standIns() });
    await worker.close();
  });

  it("a folder that is not there, a port that is taken", async () => {
    const args = ["--redis", redis.url, "--only", "embeddings"];
    const missing = await failing([...args, "--root", join(folder, "missing")]);
    assert.equal(missing.code, 2);
    assert.match(missing.err, /The root .* is not a folder/);
    const taken = await failing([...args, "--metrics-port", String(redis.port)]);
    assert.equal(taken.code, 1);
    assert.match(taken.err, /EADDRINUSE/);
  });

  it("packages that are not installed", async () => {
    const resolve = `export async function resolve(name, context, next) {
      if (name === "bullmq") throw Object.assign(new Error("Cannot find package 'bullmq'"), { code: "ERR_MODULE_NOT_FOUND" });
      return next(name, context);
    }`;
    const url = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;
    const hide = url(`import { register } from "node:module"; register(${JSON.stringify(url(resolve))});`);
    const { code, err } = await failing(["--redis", redis.url], { NODE_OPTIONS: `--import ${hide}` });
    assert.equal(code, 1);
    const command = "npm install bullmq@6 ioredis@6";
    assert.equal(err, `clip-blip: The job queue needs packages that are not installed: run ${command}`);
    const manifest = JSON.parse(readFileSync(repositoryPath("package.json"), "utf8"));
    for (const [name, major] of [
      ["bullmq", "^6"],
      ["ioredis", "^6"],
    ] as const) {
      assert.ok(manifest.peerDependencies[name].startsWith(major));
      assert.deepEqual(manifest.peerDependenciesMeta[name], { optional: true });
    }
  });
});
