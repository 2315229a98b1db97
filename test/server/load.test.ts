import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { ServerOptions } from "clip-blip/server";
import { afterEach, describe, it } from "vitest";
import { deferred, fakeClip, listen, pictures, post, postForm, type Running, ready, request } from "./support.js";

const running: Running[] = [];
afterEach(async () => {
  for (const { app } of running.splice(0)) await app.close();
});

/** A service whose model holds every call until the test lets go, or its signal aborts. */
async function held(options: ServerOptions = {}) {
  const { promise, resolve: release } = deferred();
  const calls = { begun: 0, aborted: 0 };
  const hold = async (items: unknown[], { signal }: { signal?: AbortSignal } = {}) => {
    calls.begun += 1;
    await new Promise<void>((resolve, reject) => {
      promise.then(resolve);
      signal?.addEventListener("abort", () => {
        calls.aborted += 1;
        reject(signal.reason);
      });
    });
    return items.map(() => Float32Array.of(1, 0));
  };
  const clip = fakeClip({ encodeTexts: hold, encodeImages: hold });
  const service = await listen({ clip, blip: false, drainDeadline: 100, ...options });
  running.push(service);
  await ready(service.url);
  const texts = (count: number, init?: RequestInit) =>
    post(`${service.url}/api/v1/embeddings/texts`, { texts: Array(count).fill("a") }, init);
  const depth = async () => {
    const { body } = await request(`${service.url}/metrics`);
    return Number(/clip_blip_queue_items\{model="clip"\} (\d+)/.exec(body)![1]);
  };
  const until = async (condition: () => Promise<boolean> | boolean) => {
    while (!(await condition())) await sleep(5);
  };
  return { ...service, release, calls, texts, depth, until };
}

describe("a full queue", () => {
  it("is told with 429, and whoever got in is answered", async () => {
    const { url, texts, release, calls, until, depth } = await held({ maxQueue: 5 });
    const first = texts(3);
    await until(() => calls.begun === 1);
    // A call is taken whole, as the library does.
    const second = texts(4);
    await until(() => calls.begun === 2);
    assert.equal(await depth(), 7);
    for (const path of ["/api/v1/embeddings/texts", "/v1/embeddings"]) {
      const { status, body, headers } = await post(url + path, { texts: ["a"], input: "a" });
      assert.deepEqual([status, body.error.code], [429, "ERR_QUEUE_FULL"]);
      assert.ok(Number(headers.get("retry-after")) > 0);
    }
    assert.equal(calls.begun, 2);
    release();
    assert.deepEqual([(await first).status, (await second).status], [200, 200]);
    assert.equal(await depth(), 0);
    assert.equal((await texts(1)).status, 200);
  });

  it("is told before the body is read", async () => {
    const { url, texts, release, calls, until } = await held({ maxQueue: 1 });
    const first = texts(1);
    await until(() => calls.begun === 1);
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.write(
      "POST /api/v1/embeddings/images HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5000000\r\n\r\n",
    );
    const [answer] = (await once(socket, "data")) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 429 /);
    socket.destroy();
    release();
    assert.equal((await first).status, 200);
  });

  it("counts requests whose bodies are still on their way", async () => {
    const { url, texts, depth, until } = await held({ maxQueue: 1 });
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.write(
      "POST /api/v1/embeddings/texts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    );
    await until(async () => (await depth()) === 1);
    assert.equal((await texts(1)).status, 429);
    socket.destroy();
    await until(async () => (await depth()) === 0);
  });

  it("belongs to one model: the other takes work", async () => {
    const captions = [{ text: "a", tokenIds: [1], score: -1, alternatives: [] }];
    const { warmup, unload, close, capabilities } = fakeClip();
    const blip = { warmup, unload, close, capabilities, caption: async () => captions };
    const { url, texts, calls, until } = await held({ maxQueue: 1, blip });
    void texts(1);
    await until(() => calls.begun === 1);
    assert.equal((await texts(1)).status, 429);
    assert.equal((await postForm(`${url}/api/v1/captions`, [pictures[0]!])).status, 200);
  });
});

describe("a client that has gone", () => {
  it("leaves the queue, and its work ends", async () => {
    const { url, texts, calls, depth, until } = await held();
    const gone = new AbortController();
    const calling = [1, 2, 3].map((count) => texts(count, { signal: gone.signal }).catch(() => "gone"));
    calling.push(
      postForm(`${url}/api/v1/embeddings/images`, [pictures[0]!], {}, { signal: gone.signal }).catch(() => "gone"),
    );
    await until(() => calls.begun === 4);
    assert.equal(await depth(), 7);
    gone.abort();
    assert.deepEqual(await Promise.all(calling), ["gone", "gone", "gone", "gone"]);
    await until(() => calls.aborted === 4);
    assert.equal(await depth(), 0);
    const { body } = await request(`${url}/metrics`);
    assert.match(
      body,
      /clip_blip_http_requests_total\{method="POST",route="\/api\/v1\/embeddings\/texts",status="499"\} 3/,
    );
    assert.match(body, /clip_blip_pending_body_bytes 0\n/);
  });
});

describe("sizes", () => {
  const limits = { bodyBytes: 100_000, imageBytes: 50_000, pendingBytes: 150_000 };
  const bytes = (length: number) => Buffer.alloc(length, 1);

  it("of bodies and pictures are bounded, with 413", async () => {
    const { url, release } = await held({ limits });
    release();
    const path = `${url}/api/v1/embeddings/images`;
    for (const answer of [
      await postForm(path, [bytes(120_000)]),
      await postForm(path, [bytes(60_000)]),
      await post(path, { images: [bytes(60_000).toString("base64")] }),
      await post(path, { images: [bytes(90_000).toString("base64")] }),
      // Without a length in the headers, and each file within its bound.
      await request(path, {
        method: "POST",
        headers: { "content-type": "multipart/form-data; boundary=x" },
        body: new ReadableStream({
          start(controller) {
            for (let file = 0; file < 3; file++) {
              controller.enqueue(
                Buffer.from(
                  `--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n${"a".repeat(49_000)}\r\n`,
                ),
              );
            }
            controller.enqueue(Buffer.from("--x--\r\n"));
            controller.close();
          },
        }),
        duplex: "half",
      } as RequestInit),
      await request(`${url}/api/v1/embeddings/texts`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: new Blob([`{"texts": ["${"a".repeat(200_000)}"]}`]).stream(),
        duplex: "half",
      } as RequestInit),
    ]) {
      assert.equal(answer.status, 413, JSON.stringify(answer.body));
      assert.match(answer.body.error.code, /^ERR_(BODY|IMAGE)_TOO_LARGE$/);
    }
    assert.equal((await postForm(path, [bytes(40_000), bytes(40_000)])).status, 200);
  });

  it("of all bodies together are bounded, with 429", async () => {
    const { url, release, calls, until } = await held({ limits });
    const path = `${url}/api/v1/embeddings/images`;
    const first = postForm(path, [bytes(40_000), bytes(40_000)]);
    await until(() => calls.begun === 1);
    const second = await postForm(path, [bytes(40_000), bytes(40_000)]);
    assert.deepEqual([second.status, second.body.error.code], [429, "ERR_QUEUE_FULL"]);
    release();
    assert.equal((await first).status, 200);
    assert.equal((await postForm(path, [bytes(40_000), bytes(40_000)])).status, 200);
  });
});

it("one client has so many requests in a time", async () => {
  const { texts, release, url } = await held({ rateLimit: { max: 2, timeWindow: "1 minute" } });
  release();
  assert.deepEqual([(await texts(1)).status, (await texts(1)).status], [200, 200]);
  const { status, body, headers } = await texts(1);
  assert.deepEqual([status, body.error.code], [429, "ERR_RATE_LIMITED"]);
  assert.ok(Number(headers.get("retry-after")) > 1);
  assert.equal((await request(`${url}/health/ready`)).status, 200);
});
