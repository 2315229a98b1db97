import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type FileHandle, open as openFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createJobBackend, type JobBackend, type JobStatus, startWorker } from "clip-blip/queue";
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, it, vi } from "vitest";
import { Names } from "../../lib/queue/names.js";
import { JobStore } from "../../lib/queue/store.js";
import { RedisServer, until } from "./redis.js";
import { dataImages, standIns } from "./stand-in.js";

let redis: RedisServer;
let client: Redis;
let store: JobStore;
let backend: JobBackend;
let folder: string;
let path: string;
let count = 0;
beforeAll(async () => {
  redis = await RedisServer.start();
  client = new Redis(redis.url);
  store = new JobStore(client, new Names({}), 60_000);
  backend = await createJobBackend({ redis: redis.url });
  folder = mkdtempSync(join(tmpdir(), "clip-blip-sink-"));
});
afterAll(async () => {
  client.disconnect();
  await backend.close();
  await redis.remove();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  path = join(folder, `${count++}.jsonl`);
});

const open = (options = {}) =>
  startWorker({ redis: redis.url, sink: path, stalledAfter: 600, ...standIns(), ...options });
const lines = () =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const sinkId = () => readFileSync(`${path}.id`, "utf8").trim();
const ends = (id: string): Promise<JobStatus> =>
  until(async () => {
    const status = await backend.status(id);
    return status?.state === "completed" ? status : undefined;
  });

describe("a sink", () => {
  it("takes results and failures; the job keeps its progress and its failures", async () => {
    const worker = await open();
    const strange = 'line\u2028separator \n and "quotes"';
    const images = [
      { key: strange, uri: "data:,one" },
      { key: "file", uri: "file:///nowhere" },
      { key: "two", uri: "data:,two" },
    ];
    const { id } = await backend.enqueue({ type: "embeddings", images });
    const { progress, results } = await ends(id);
    await worker.close();
    assert.deepEqual(progress, { done: 2, failed: 1, total: 3 });
    const error = {
      code: "ERR_INVALID_ARGUMENT",
      message: '"file:///nowhere" is not in a folder that this worker may read: start it with roots (--root).',
    };
    assert.deepEqual(results, [{ key: "file", error }]);
    assert.doesNotMatch(readFileSync(path, "utf8"), /\u2028/);
    const written = new Map(lines().map((line) => [line.key, line]));
    assert.equal(written.size, 3);
    assert.deepEqual(written.get(strange), { job: id, key: strange, embedding: [3, 0.5] });
    assert.deepEqual(written.get("file"), { job: id, key: "file", uri: "file:///nowhere", error });
  });

  it("gets what a killed worker owes it, and not what it has already", async () => {
    const first = await open({ clip: undefined });
    const { id } = await backend.enqueue({ type: "embeddings", images: dataImages(4) });
    await first.close();
    // As a worker leaves it that is killed between Redis and the file: three outcomes are decided, one line is written
    // but not yet reported, and another one torn.
    const pictures = dataImages(4).map((image, index) => ({ ...image, index }));
    const owed: string[] = [];
    for (const picture of pictures.slice(0, 3)) {
      const outcome = { embedding: Float32Array.of(picture.index, 7) };
      owed.push((await store.commitToSink(id, picture, outcome, sinkId()))!);
    }
    assert.equal(await store.commitToSink(id, pictures[0]!, { embedding: Float32Array.of(9) }, "another"), undefined);
    appendFileSync(path, owed[0]! + owed[1]!.slice(0, 20));
    assert.deepEqual((await backend.status(id))!.progress, { done: 0, failed: 0, total: 4 });

    const log: string[] = [];
    const second = await open({ log: (line: string) => log.push(line) });
    assert.match(log.join("\n"), /lacks 2 results of an earlier run/);
    assert.deepEqual((await ends(id)).progress, { done: 4, failed: 0, total: 4 });
    await second.close();
    assert.deepEqual(
      lines()
        .map(({ key, embedding }) => [key, embedding[1]])
        .sort(),
      [
        ["picture-0", 7],
        ["picture-1", 7],
        ["picture-2", 7],
        ["picture-3", 0.5],
      ],
    );
    assert.deepEqual(await store.outbox(sinkId()), []);
  });

  it("has one writer at a time", async () => {
    const one = await open();
    await assert.rejects(open(), { code: "ERR_INVALID_ARGUMENT", message: /give each worker its own file/ });
    await one.close();
    const two = await open();
    await two.close();
  });

  it("ends its worker when another one has taken it over", async () => {
    const one = await open();
    await client.set(new Names({}).sinkWriter(sinkId()), "another");
    await assert.rejects(one.done, /Another worker is writing/);
    await client.del(new Names({}).sinkWriter(sinkId()));
  });

  it("is never a file of something else", async () => {
    writeFileSync(path, "name,caption\n");
    await assert.rejects(open(), { code: "ERR_INVALID_ARGUMENT", message: /is not a worker's sink/ });
    assert.equal(readFileSync(path, "utf8"), "name,caption\n");
    path = join(folder, "missing", "sink.jsonl");
    await assert.rejects(open(), { code: "ERR_INVALID_ARGUMENT", message: /cannot be written \(ENOENT\)/ });
  });

  it("ends its worker when the disk is full, amid a line", async () => {
    const worker = await open();
    const handle = await openFile(path, "a");
    const prototype = Object.getPrototypeOf(handle) as FileHandle;
    const noSpace = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    const append = vi.spyOn(prototype, "appendFile").mockImplementation(async () => {
      appendFileSync(path, '{"job":"half of a line');
      throw noSpace;
    });
    const { id } = await backend.enqueue({ type: "captions", images: dataImages(20) });
    await assert.rejects(worker.done, { code: "ERR_INTERNAL", message: /cannot be written \(ENOSPC\)/ });
    assert.equal(append.mock.calls.length, 1);
    assert.equal((await backend.status(id))!.state, "active");
    append.mockRestore();
    await handle.close();

    const other = await open();
    assert.deepEqual((await ends(id)).progress, { done: 20, failed: 0, total: 20 });
    await other.close();
    assert.equal(new Set(lines().map(({ key }) => key)).size, 20);
    assert.equal(lines().length, 20);
  });
});
