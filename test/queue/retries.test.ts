import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ClipBlipError } from "clip-blip";
import { createJobBackend, type JobBackend, type JobStatus, startWorker, type WorkerOptions } from "clip-blip/queue";
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest";
import { RedisServer, until } from "./redis.js";
import { dataImages, standIns } from "./stand-in.js";

let redis: RedisServer;
let backend: JobBackend;

/** A server of pictures: what it answers to the n-th request for a path, from 1. */
let answer: (times: number, response: ServerResponse, request: IncomingMessage) => void;
/** When each path was asked for. */
let requests = new Map<string, number[]>();
const pictures = createServer((request, response) => {
  const times = [...(requests.get(request.url!) ?? []), performance.now()];
  requests.set(request.url!, times);
  answer(times.length, response, request);
});
let origin = "";

beforeAll(async () => {
  redis = await RedisServer.start();
  backend = await createJobBackend({ redis: redis.url, attempts: 3, backoff: 200 });
  await new Promise<void>((done) => pictures.listen(0, "127.0.0.1", done));
  origin = `http://127.0.0.1:${(pictures.address() as AddressInfo).port}`;
});
afterAll(async () => {
  pictures.close();
  pictures.closeAllConnections();
  await backend.close();
  await redis.remove();
});
beforeEach(() => {
  requests = new Map();
});

const ends = (id: string): Promise<JobStatus> =>
  until(async () => {
    const status = await backend.status(id);
    return status?.state === "completed" ? status : undefined;
  });

async function run(paths: string[], options: Partial<WorkerOptions> = {}): Promise<JobStatus> {
  const remote = { allowRemote: true, allowedAddresses: ["127.0.0.1"] };
  const worker = await startWorker({ redis: redis.url, ...remote, ...standIns(), ...options });
  const images = paths.map((path) => ({ key: path, uri: `${origin}${path}` }));
  try {
    const { id } = await backend.enqueue({ type: "captions", images });
    return await ends(id);
  } finally {
    await worker.close();
  }
}

describe("a picture that cannot be fetched now", () => {
  it("is fetched again later, alone, and waits longer each time", async () => {
    answer = (times, response, { url }) =>
      url === "/flaky" && times < 3 ? response.writeHead(503).end() : response.end(url);
    const lines: string[] = [];
    const { progress, results } = await run(["/good", "/flaky"], { log: (line) => lines.push(line) });
    assert.deepEqual(progress, { done: 2, failed: 0, total: 2 });
    assert.ok(results!.every((result) => "caption" in result && result.caption.text === result.key));
    assert.equal(requests.get("/good")!.length, 1);
    const [first, second, third] = requests.get("/flaky")!;
    // Half of each wait is left to chance, so that not all workers come back at once.
    assert.ok(second! - first! >= 95 && third! - second! >= 195, `${requests.get("/flaky")}`);
    const retries = lines.filter((line) => /will be retried in .* 1 of \d pictures failed: .*503/.test(line));
    assert.equal(retries.length, 2, lines.join("\n"));
  });

  it("where the connection breaks, too", async () => {
    answer = (times, response) => (times < 2 ? response.destroy() : response.end("picture"));
    assert.deepEqual((await run(["/broken"])).progress, { done: 1, failed: 0, total: 1 });
    assert.equal(requests.get("/broken")!.length, 2);
  });

  it("fails for good at last", async () => {
    answer = (_, response) => response.writeHead(500).end();
    const { progress, results } = await run(["/down"]);
    assert.deepEqual(progress, { done: 0, failed: 1, total: 1 });
    const [result] = results!;
    assert.ok("error" in result! && /the server answered 500/.test(result.error.message));
    assert.equal(requests.get("/down")!.length, 3);
  });
});

describe("a picture that will never be one", () => {
  it("is not tried again: it is not there", async () => {
    answer = (_, response) => response.writeHead(404).end();
    assert.deepEqual((await run(["/gone"])).progress, { done: 0, failed: 1, total: 1 });
    assert.equal(requests.get("/gone")!.length, 1);
  });

  it("is not tried again: it cannot be decoded", async () => {
    answer = (_, response) => response.end("text");
    const { clip } = standIns();
    const undecodable = new ClipBlipError("ERR_IMAGE_DECODE", "It is no picture", { cause: new Error("decoder") });
    const blip = { ...standIns().blip!, caption: () => Promise.reject(undecodable) };
    const { results } = await run(["/text"], { clip, blip });
    assert.deepEqual(results, [{ key: "/text", error: { code: "ERR_IMAGE_DECODE", message: "It is no picture" } }]);
    assert.equal(requests.get("/text")!.length, 1);
  });
});

describe("a failure of the model", () => {
  const failing = (code: ClipBlipError["code"], until: number) => {
    const { blip } = standIns();
    let calls = 0;
    return {
      calls: () => calls,
      blip: {
        ...blip!,
        caption: async (images: never) => {
          calls += 1;
          if (calls <= until) throw new ClipBlipError(code, "It failed");
          return blip!.caption(images);
        },
      },
    };
  };

  it("that may pass is tried again", async () => {
    const { blip } = failing("ERR_OUT_OF_MEMORY", 1);
    const worker = await startWorker({ redis: redis.url, blip });
    const { id } = await backend.enqueue({ type: "captions", images: dataImages(3) });
    assert.deepEqual((await ends(id)).progress, { done: 3, failed: 0, total: 3 });
    await worker.close();
  });

  it("that takes the device ends the worker, and another has its pictures", async () => {
    const { blip, calls } = failing("ERR_DEVICE_LOST", 1000);
    const worker = await startWorker({ redis: redis.url, blip, concurrency: 4 });
    const { id } = await backend.enqueue({ type: "captions", images: dataImages(40) });
    await assert.rejects(worker.done, { code: "ERR_DEVICE_LOST" });
    assert.ok(calls() <= 4, `${calls()} pictures on a lost device`);
    assert.deepEqual((await backend.status(id))!.progress, { done: 0, failed: 0, total: 40 });
    await worker.close();
    // At once: nobody has to wait until the lost worker is missed.
    const began = performance.now();
    const other = await startWorker({ redis: redis.url, ...standIns() });
    assert.deepEqual((await ends(id)).progress, { done: 40, failed: 0, total: 40 });
    assert.ok(performance.now() - began < 10_000);
    await other.close();
  });
});

describe("a worker that is closed", () => {
  it("finishes what it has, and no more", async () => {
    const worker = await startWorker({ redis: redis.url, ...standIns({ slow: 20 }), concurrency: 2 });
    const { id } = await backend.enqueue({ type: "captions", images: dataImages(200) });
    await until(async () => (await backend.status(id))!.progress.done > 0);
    await worker.close();
    await worker.done;
    const { done } = (await backend.status(id))!.progress;
    // Whole chunks.
    assert.ok(done % 16 === 0 && done < 100, `${done}`);
    const other = await startWorker({ redis: redis.url, ...standIns() });
    assert.deepEqual((await ends(id)).progress, { done: 200, failed: 0, total: 200 });
    await other.close();
  });

  it("gives back what it cannot finish in time, but for the pictures that are on the device", async () => {
    let begun = 0;
    const stand = standIns({ slow: 100, onImage: () => begun++ });
    const worker = await startWorker({ redis: redis.url, ...stand, concurrency: 2 });
    const { id } = await backend.enqueue({ type: "captions", images: dataImages(32) });
    await until(async () => (await backend.status(id))!.progress.done > 0);
    const began = performance.now();
    await worker.close({ timeout: 50 });
    assert.ok(performance.now() - began < 1000);
    const { done } = (await backend.status(id))!.progress;
    assert.ok(done === begun && done < 10, `${done} of ${begun}`);
    const other = await startWorker({ redis: redis.url, ...standIns() });
    assert.deepEqual((await ends(id)).progress, { done: 32, failed: 0, total: 32 });
    await other.close();
  });
});
