import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ClipBlipError, type ClipModel, type LoadOptions } from "clip-blip";
import { createServer, type ServerOptions } from "clip-blip/server";
import { afterAll, afterEach, beforeAll, describe, it } from "vitest";
import { loadClip } from "../library/models.js";
import { deferred, fakeClip, listen, post, type Running, ready, request } from "./support.js";

const running: Running[] = [];
const start = async (options: ServerOptions) => {
  const service = await listen({ blip: false, ...options });
  running.push(service);
  return { ...service, at: (path: string) => service.url + path };
};
afterEach(async () => {
  for (const { app } of running.splice(0)) await app.close();
});

const embed = (url: string) => post(`${url}/api/v1/embeddings/texts`, { texts: ["a"] });

describe("a service that starts", () => {
  it("is alive at once, and takes work when the warm-up has run", async () => {
    const { promise: warmedUp, resolve: finish } = deferred();
    const model = fakeClip({ warmup: () => warmedUp });
    const { url, at } = await start({ clip: async () => model });
    assert.deepEqual((await request(at("/health/live"))).body, { status: "ok" });
    const images = ["data:image/png;base64,AAAA"];
    for (const [path, body] of [
      ["/api/v1/embeddings/texts", { texts: ["a"] }],
      ["/api/v1/embeddings/images", { images }],
      ["/api/v1/classifications", { images, labels: ["a"] }],
      ["/v1/embeddings", { input: "a" }],
      ["/api/v1/cooldown", {}],
    ] as const) {
      const answer = await post(at(path), body);
      assert.deepEqual([answer.status, answer.body.error.code], [503, "ERR_NOT_READY"], path);
      assert.ok(Number(answer.headers.get("retry-after")) > 0);
    }
    const notReady = await request(at("/health/ready"));
    assert.deepEqual([notReady.status, notReady.body.error.code], [503, "ERR_NOT_READY"]);
    assert.ok(Number(notReady.headers.get("retry-after")) > 0);
    assert.equal((await request(at("/api/v1/capabilities"))).body.clip.state, "loading");
    finish();
    await ready(url);
    assert.equal((await embed(url)).status, 200);
    assert.equal((await request(at("/api/v1/capabilities"))).body.clip.state, "ready");
  });

  it("tells by ready why a model did not load, without paths; live stays, and warmup tries again", async () => {
    let tries = 0;
    const clip = async () => {
      tries += 1;
      if (tries === 1) throw new ClipBlipError("ERR_MODEL_NOT_FOUND", "There is no file /home/me/model.pt");
      return fakeClip();
    };
    const { url, at } = await start({ clip });
    await sleep(50);
    const failed = await request(at("/health/ready"));
    assert.deepEqual(failed.body, {
      error: { code: "ERR_MODEL_NOT_FOUND", message: "The model was not found: see the log of the service." },
    });
    assert.equal(failed.status, 503);
    assert.equal((await request(at("/health/live"))).status, 200);
    assert.equal((await embed(url)).status, 503);
    assert.equal((await request(at("/api/v1/capabilities"))).body.clip.state, "failed");
    assert.equal((await request(at("/api/v1/warmup"), { method: "POST" })).status, 200);
    assert.equal((await embed(url)).status, 200);
  });

  it("takes the sources of the models from the environment, and names no paths", async () => {
    const missing = "/nowhere/models/secret.pt";
    process.env.CLIP_MODEL = missing;
    try {
      const { at } = await start({});
      await sleep(100);
      const { body } = await request(at("/health/ready"));
      assert.equal(body.error.code, "ERR_MODEL_NOT_FOUND");
      const told = await request(at("/api/v1/capabilities"));
      assert.equal(told.body.clip.model, "secret.pt");
      assert.doesNotMatch(JSON.stringify(told.body), /nowhere/);
    } finally {
      delete process.env.CLIP_MODEL;
    }
  });

  it("takes a folder of a source, and a revision", async () => {
    const models = fileURLToPath(new URL("../../models", import.meta.url));
    const { url, at } = await start({ clip: { source: models, subfolder: "demo-clip" } });
    await ready(url);
    assert.equal((await request(at("/api/v1/capabilities"))).body.clip.model, "models");
    // A revision is for models of the hub, which says that it arrives.
    const other = await start({ clip: { source: models, subfolder: "demo-clip", revision: "v1" } });
    const notReady = async (): Promise<string> => {
      const { code } = (await request(other.at("/health/ready"))).body.error;
      return code === "ERR_NOT_READY" ? notReady() : code;
    };
    assert.equal(await notReady(), "ERR_INVALID_ARGUMENT");
  });

  it("refuses options that cannot be", async () => {
    for (const options of [
      { clip: false, blip: false },
      { clip: "" },
      { clip: {} },
      { clip: { source: "" } },
      { clip: { source: "demo", revision: 1 } },
      { clip: { source: "demo", folder: "x" } },
      { blip: { source: "demo", subfolder: null } },
      { blip: null },
      { token: "" },
      { maxQueue: 0 },
      { limits: { images: 0 } },
      { limits: { pictures: 1 } },
      { colour: "red" },
      { drainDeadline: -1 },
      { load: { torch_dtype: "float16" } },
      { load: { memoryFraction: Number.NaN } },
      { rateLimit: { maximum: 3 } },
      { rateLimit: { max: Number.NaN } },
      { allowedAddresses: [7] },
      { allowRemote: true, allowedAddresses: ["10.0.0.0/33"] },
      { allowRemote: true, allowedAddresses: ["example.org"] },
    ]) {
      const app = createServer({ logger: false, ...options } as ServerOptions);
      await assert.rejects(Promise.resolve(app.ready()), { code: "ERR_INVALID_ARGUMENT" }, JSON.stringify(options));
    }
  });

  it("takes the default for what is undefined", async () => {
    const { at } = await start({ clip: fakeClip(), limits: { images: undefined, texts: 7 }, maxQueue: undefined });
    const { limits } = (await request(at("/api/v1/capabilities"))).body;
    assert.deepEqual([limits.images, limits.texts, limits.maxQueue], [64, 7, 256]);
  });

  it("has no routes of a model that it was told to leave out", async () => {
    const { url, at } = await start({ clip: fakeClip() });
    await ready(url);
    const captions = await post(at("/api/v1/captions"), { images: ["AAAA"] });
    assert.deepEqual([captions.status, captions.body.error.code], [404, "ERR_NOT_FOUND"]);
    assert.equal((await request(at("/api/v1/capabilities"))).body.blip, undefined);
    const paths = Object.keys((await request(at("/openapi.json"))).body.paths);
    assert.ok(paths.includes("/api/v1/classifications") && !paths.includes("/api/v1/captions"));
  });
});

describe("a service whose inference fails", () => {
  it("is not ready as long as it does, and says so by itself when it works again", async () => {
    let broken = false;
    let checks = 0;
    const model = fakeClip({
      encodeTexts: async (texts) => {
        checks += 1;
        if (broken) throw new ClipBlipError("ERR_INTERNAL", "LibTorch: /usr/lib/libtorch.so: segment at 0x7f");
        return texts.map(() => Float32Array.of(1, 0));
      },
    });
    const { url, at } = await start({ clip: model });
    await ready(url);
    broken = true;
    const failed = await embed(url);
    assert.deepEqual([failed.status, failed.body.error.code], [500, "ERR_INTERNAL"]);
    assert.doesNotMatch(failed.body.error.message, /LibTorch|usr/);
    const unready = await request(at("/health/ready"));
    assert.deepEqual([unready.status, unready.body.error.code], [503, "ERR_INTERNAL"]);
    assert.equal((await request(at("/health/live"))).status, 200);
    assert.match((await request(at("/metrics"))).body, /clip_blip_model_ready\{model="clip"\} 0/);
    broken = false;
    assert.equal((await request(at("/health/ready"))).status, 200);
    const before = checks;
    assert.equal((await request(at("/health/ready"))).status, 200);
    assert.equal(checks, before, "what works is not checked again");
  });

  it("is not alive when the device is lost, and tells its owner", async () => {
    const lost = deferred();
    const model = fakeClip({
      encodeTexts: async () => {
        throw new ClipBlipError("ERR_DEVICE_LOST", "The device failed");
      },
    });
    const { url, at } = await start({ clip: model, onDeviceLost: () => lost.resolve() });
    await ready(url);
    const failed = await embed(url);
    assert.deepEqual([failed.status, failed.body.error.code], [503, "ERR_DEVICE_LOST"]);
    await lost.promise;
    for (const path of ["/health/ready", "/health/live"]) {
      const { status, body } = await request(at(path));
      assert.deepEqual([status, body.error.code], [503, "ERR_DEVICE_LOST"], path);
    }
  });

  it("stays ready when a request was to blame", async () => {
    const model = fakeClip({
      encodeTexts: async () => {
        throw new ClipBlipError("ERR_TEXT_TOO_LONG", "The text is too long");
      },
    });
    const { url, at } = await start({ clip: model });
    await ready(url);
    assert.equal((await embed(url)).status, 422);
    assert.equal((await request(at("/health/ready"))).status, 200);
  });
});

describe("a service that ends", () => {
  it("takes no new work, lets what runs finish, and closes the model that it loaded", async () => {
    const work = deferred();
    let closed = false;
    let options: LoadOptions | undefined;
    const model = fakeClip({
      encodeTexts: async (texts) => {
        await work.promise;
        return texts.map(() => Float32Array.of(1, 0));
      },
      close: async () => {
        closed = true;
      },
    });
    const { app, url, at } = await listen({
      blip: false,
      maxQueue: 7,
      clip: async (given) => {
        options = given;
        return model;
      },
    }).then((service) => ({ ...service, at: (path: string) => service.url + path }));
    await ready(url);
    assert.deepEqual([options?.maxQueue, options?.device], [7, "cpu"]);
    const running = embed(url);
    await sleep(50);
    const closing = app.close();
    await sleep(50);
    for (const path of ["/health/ready", "/api/v1/warmup"]) {
      const { status, body, headers } = await request(at(path), path.startsWith("/health") ? {} : { method: "POST" });
      assert.deepEqual([status, body.error.code], [503, "ERR_DRAINING"], path);
      assert.ok(Number(headers.get("retry-after")) > 0);
    }
    assert.equal((await request(at("/health/live"))).status, 200);
    assert.equal((await embed(url)).body.error.code, "ERR_DRAINING");
    assert.equal(closed, false);
    work.resolve();
    assert.equal((await running).status, 200);
    await closing;
    assert.equal(closed, true);
    await assert.rejects(embed(url));
  });

  it("leaves a model alone that it was given", async () => {
    const clip: ClipModel = await loadClip();
    const { app, url } = await listen({ clip, blip: false });
    await ready(url);
    assert.equal((await embed(url)).status, 200);
    await app.close();
    assert.equal((await clip.encodeTexts(["a"])).length, 1);
    await clip.close();
  });

  it("cuts off what does not finish by the deadline", async () => {
    let reason: unknown;
    const model = fakeClip({
      encodeTexts: (_texts, { signal } = {}) =>
        new Promise((_, reject) => {
          signal!.addEventListener("abort", () => {
            reason = signal!.reason;
            reject(signal!.reason);
          });
        }),
    });
    const { app, url } = await listen({ clip: model, blip: false, drainDeadline: 100 });
    await ready(url);
    const running = embed(url);
    await sleep(50);
    const started = performance.now();
    await app.close();
    assert.ok(performance.now() - started < 2000);
    assert.ok(reason instanceof Error);
    const { status, body } = await running;
    assert.deepEqual([status, body.error.code], [503, "ERR_DRAINING"]);
  });

  it("does not wait for clients that send nothing", async () => {
    const { app, url } = await listen({ clip: fakeClip(), blip: false, drainDeadline: 100 });
    await ready(url);
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    await once(socket, "connect");
    socket.on("error", () => {});
    socket.write("POST /api/v1/embeddings/texts HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n");
    const started = performance.now();
    await app.close();
    assert.ok(performance.now() - started < 2000);
    socket.destroy();
  });

  it("ends a load that runs", async () => {
    let aborted = false;
    const { app } = await listen({
      blip: false,
      clip: ({ signal }) =>
        new Promise((_, reject) => {
          signal!.addEventListener("abort", () => {
            aborted = true;
            reject(signal!.reason);
          });
        }),
    });
    await app.close();
    assert.equal(aborted, true);
  });
});

describe("a service within another application", () => {
  let clip: ClipModel;
  beforeAll(async () => {
    clip = await loadClip();
  });
  afterAll(() => clip.close());

  it("works as a plugin under a prefix", async () => {
    const { default: Fastify } = await import("fastify");
    const { clipBlipService } = await import("clip-blip/server");
    const host = Fastify();
    host.get("/", async () => "host");
    await host.register(clipBlipService, { prefix: "/vision", clip, blip: false });
    const url = await host.listen({ port: 0 });
    await ready(`${url}/vision`);
    assert.equal((await embed(`${url}/vision`)).status, 200);
    assert.equal((await request(`${url}/`)).body, "host");
    const { body } = await request(`${url}/vision/openapi.json`);
    assert.ok(body.paths["/vision/api/v1/embeddings/texts"]);
    assert.equal((await request(`${url}/vision/docs`)).status, 200);
    await host.close();
  });

  it("works as the handler of a Node server", async () => {
    const { createServer: createHttpServer } = await import("node:http");
    const app = createServer({ logger: false, clip, blip: false });
    await app.ready();
    const server = createHttpServer((incoming, outgoing) => app.routing(incoming, outgoing)).listen(0);
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    await ready(url);
    assert.equal((await embed(url)).status, 200);
    server.closeAllConnections();
    server.close();
    await app.close();
  });
});
