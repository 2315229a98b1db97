import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { ClipBlipError } from "clip-blip";
import type { ServerOptions } from "clip-blip/server";
import { afterEach, describe, it } from "vitest";
import { fakeClip, listen, pictures, post, postForm, type Running, ready, request } from "./support.js";

const running: Running[] = [];
afterEach(async () => {
  for (const { app } of running.splice(0)) await app.close();
});
const start = async (options: ServerOptions = {}) => {
  const service = await listen({ clip: fakeClip(), blip: false, ...options });
  running.push(service);
  await ready(service.url);
  return service;
};

describe("a token", () => {
  const token = "correct horse battery staple";
  const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`any:${password}`).toString("base64")}` });

  it("is asked for on every route but those of health", async () => {
    const { url } = await start({ token });
    const { body } = await request(`${url}/openapi.json`, { headers: { authorization: `Bearer ${token}` } });
    const routes = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => [method.toUpperCase(), path.replace("{id}", "1")] as const),
    );
    assert.ok(routes.length >= 12, String(routes.length));
    for (const [method, path] of [
      ...routes,
      ["GET", "/"],
      ["GET", "/main.js"],
      ["GET", "/docs"],
      ["GET", "/openapi.json"],
    ] as const) {
      for (const headers of [{}, { authorization: "Bearer guess" }, { authorization: token }, basic("guess")]) {
        const answer = await request(url + path, { method, headers });
        if (path.startsWith("/health/")) assert.equal(answer.status, 200, path);
        else assert.deepEqual([answer.status, answer.body.error?.code], [401, "ERR_UNAUTHORIZED"], `${method} ${path}`);
      }
    }
  });

  it("lets in as a bearer token, and from the login window of a browser", async () => {
    const { url } = await start({ token });
    const path = `${url}/api/v1/capabilities`;
    const refused = await request(path);
    assert.match(refused.headers.get("www-authenticate")!, /Bearer .*Basic /);
    assert.equal((await request(path, { headers: { authorization: `Bearer ${token}` } })).status, 200);
    assert.equal((await request(path, { headers: { authorization: `bearer ${token}` } })).status, 200);
    assert.equal((await request(path, { headers: basic(token) })).status, 200);
  });

  it("does not let in what another site had a browser send along", async () => {
    const { url } = await start({ token });
    const path = `${url}/api/v1/capabilities`;
    for (const [site, status] of [
      ["cross-site", 401],
      ["same-site", 401],
      ["same-origin", 200],
      ["none", 200],
    ] as const) {
      assert.equal(
        (await request(path, { headers: { ...basic(token), "sec-fetch-site": site } })).status,
        status,
        site,
      );
    }
  });
});

describe("pictures by URL", () => {
  const inside = createServer((incoming, outgoing) => {
    if (incoming.url === "/slow") return;
    if (incoming.url === "/large") outgoing.end(Buffer.alloc(60_000));
    else outgoing.end(pictures[0]);
  });
  const open = async () => {
    if (!inside.listening) await once(inside.listen(0, "127.0.0.1"), "listening");
    inside.unref();
    return `http://127.0.0.1:${(inside.address() as AddressInfo).port}`;
  };
  afterEach(() => inside.closeAllConnections());

  it("are off by default", async () => {
    const { url } = await start();
    const { status, body } = await post(`${url}/api/v1/embeddings/images`, { images: [`${await open()}/a.jpg`] });
    assert.deepEqual([status, body.error.code], [422, "ERR_INVALID_ARGUMENT"]);
    assert.match(body.error.message, /does not fetch pictures by URL/);
  });

  it("come from public addresses only, where they are allowed", async () => {
    const { url } = await start({ allowRemote: true });
    for (const image of [
      `${await open()}/a.jpg`,
      "http://localhost:1/",
      "http://[::ffff:10.0.0.1]/",
      "http://169.254.169.254/",
    ]) {
      const { status, body } = await post(`${url}/api/v1/embeddings/images`, { images: [image] });
      assert.deepEqual([status, body.error.code], [422, "ERR_INVALID_ARGUMENT"], image);
      assert.match(body.error.message, /not public/);
      assert.doesNotMatch(body.error.message, /127\.0\.0\.1 is/);
    }
    const invalid = await post(`${url}/api/v1/embeddings/images`, { images: ["http://"] });
    assert.deepEqual([invalid.status, invalid.body.error.code], [422, "ERR_INVALID_ARGUMENT"]);
  });

  it("come from addresses of one's own that are named, up to the size of a picture", async () => {
    const received: number[] = [];
    const clip = fakeClip({
      encodeImages: async (images) => {
        received.push(...images.map((image) => (image as Uint8Array).length));
        return images.map(() => Float32Array.of(1, 0));
      },
    });
    const { url } = await start({
      clip,
      allowRemote: true,
      allowedAddresses: ["127.0.0.1"],
      limits: { imageBytes: 50_000 },
    });
    const origin = await open();
    assert.equal((await post(`${url}/api/v1/embeddings/images`, { images: [`${origin}/a.jpg`] })).status, 200);
    assert.deepEqual(received, [pictures[0]!.length]);
    const large = await post(`${url}/api/v1/embeddings/images`, { images: [`${origin}/large`] });
    assert.deepEqual([large.status, large.body.error.code], [413, "ERR_IMAGE_TOO_LARGE"]);
  });

  it("are given up when the client has gone", async () => {
    const { url } = await start({ allowRemote: true, allowedAddresses: ["127.0.0.1"] });
    const gone = new AbortController();
    const origin = await open();
    const closed = once(inside, "request").then(([incoming]) => once(incoming.socket, "close"));
    const call = post(`${url}/api/v1/embeddings/images`, { images: [`${origin}/slow`] }, { signal: gone.signal });
    setTimeout(() => gone.abort(), 100);
    await assert.rejects(call);
    await closed;
  });
});

describe("the log", () => {
  it("has a line with an id for each request, and no bodies, no tokens", async () => {
    const stream = new PassThrough();
    let log = "";
    stream.setEncoding("utf8").on("data", (text) => {
      log += text;
    });
    const token = "a-token-that-nobody-may-read";
    const clip = fakeClip({
      classify: async () => {
        throw new ClipBlipError("ERR_INTERNAL", "It failed", { cause: new Error("native text") });
      },
    });
    const { url } = await start({ clip, token, logger: { level: "debug", stream } });
    const headers = { authorization: `Bearer ${token}`, "x-request-id": "from-the-proxy.1" };
    const texts = ["words-that-nobody-may-read"];
    const answered = await post(`${url}/api/v1/embeddings/texts`, { texts }, { headers });
    assert.equal(answered.headers.get("x-request-id"), "from-the-proxy.1");
    const basic = `Basic ${Buffer.from(`:${token}`).toString("base64")}`;
    const failed = await postForm(
      `${url}/api/v1/classifications`,
      [pictures[0]!],
      { labels: texts },
      { headers: { authorization: basic, "x-request-id": "not an id\t" } },
    );
    const id = failed.headers.get("x-request-id")!;
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.deepEqual([failed.status, failed.body.error.code], [500, "ERR_INTERNAL"]);
    const lines = log
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const ofFailed = lines.filter(({ reqId }) => reqId === id);
    // What clients are not told, the log has under the id that they were told.
    assert.ok(ofFailed.some(({ level, err }) => level === 50 && /native text/.test(err.stack)));
    assert.ok(lines.some(({ reqId, res }) => reqId === "from-the-proxy.1" && res?.statusCode === 200));
    assert.doesNotMatch(log, /nobody-may-read/);
    assert.ok(!log.includes(basic));
  });
});
