import assert from "node:assert/strict";
import { createServer, type JobBackend, type JobRequest, type JobStatus } from "clip-blip/server";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, it } from "vitest";

/** A queue that keeps what it was given. */
class Memory implements JobBackend {
  readonly requests: JobRequest[] = [];
  closed = 0;
  async enqueue(request: JobRequest) {
    this.requests.push(request);
    return { id: String(this.requests.length) };
  }
  async status(id: string): Promise<JobStatus | undefined> {
    const request = this.requests[Number(id) - 1];
    return request && { id, state: "waiting", progress: { done: 0, failed: 0, total: request.images.length } };
  }
  async close() {
    this.closed += 1;
  }
}

const start = async (options: Parameters<typeof createServer>[0]) => {
  const app = createServer({ logger: false, ...options });
  await app.ready();
  return app;
};
const post = async (app: FastifyInstance, payload: object | string) => {
  const response = await app.inject({
    method: "POST",
    url: "/api/v1/jobs",
    headers: { "content-type": "application/json" },
    payload,
  });
  return { status: response.statusCode, body: response.json() };
};

describe("the routes of jobs", () => {
  const jobs = new Memory();
  let app: FastifyInstance;
  beforeAll(async () => {
    app = await start({ jobs });
  });
  afterAll(() => app.close());

  it("a job gets an id, under which its progress is told", async () => {
    const images = ["file:///a.jpg", { key: "b", uri: "data:image/png;base64,AAAA" }];
    const { status, body } = await post(app, { type: "captions", images, options: { maxLength: 10, prompt: "a" } });
    assert.deepEqual([status, body], [202, { id: "1" }]);
    assert.deepEqual(jobs.requests[0], {
      type: "captions",
      images: [{ uri: "file:///a.jpg" }, { key: "b", uri: "data:image/png;base64,AAAA" }],
      options: { maxLength: 10, prompt: "a" },
    });
    const found = await app.inject("/api/v1/jobs/1");
    assert.deepEqual(found.json(), { id: "1", state: "waiting", progress: { done: 0, failed: 0, total: 2 } });
  });

  it("an unknown id is 404", async () => {
    const response = await app.inject("/api/v1/jobs/99");
    assert.equal(response.statusCode, 404);
    assert.equal(response.json().error.code, "ERR_NOT_FOUND");
  });

  it("what is no job is 422 with a sentence that names the place, and enqueues nothing", async () => {
    const known = jobs.requests.length;
    const image = "file:///a.jpg";
    for (const [payload, message] of [
      [{ type: "embeddings", images: [] }, /^body\.images must not have fewer than 1 items/],
      [{ type: "paintings", images: [image] }, /^body\.type /],
      [{ type: "captions" }, /^body must have required properties images/],
      [{ type: "captions", images: [image], options: { beams: 3 } }, /^body\.options has unknown properties: "beams"/],
      [{ type: "captions", images: [image], options: { topP: 2 } }, /^body\.options\.topP /],
      [{ type: "embeddings", images: [image], options: { topP: 1 } }, /embeddings have no option topP/],
      [{ type: "captions", images: [image], options: { normalize: true } }, /captions have no option normalize/],
      [{ type: "embeddings", images: [{ key: "x" }] }, /^body\.images\[0\] /],
      [{ type: "embeddings", images: [image, image] }, /two pictures have the same key.*item 1/i],
      [{ type: "embeddings", images: [image, "HTTP://example.org/a.jpg"] }, /not accept pictures by URL.*item 1/],
      [[], /^body must be object/],
    ] as const) {
      const { status, body } = await post(app, payload);
      assert.deepEqual([status, body.error.code], [422, "ERR_INVALID_ARGUMENT"], JSON.stringify(payload));
      assert.match(body.error.message, message);
    }
    assert.equal(jobs.requests.length, known);
  });

  it("broken JSON is 400, another media type 415", async () => {
    assert.equal((await post(app, "{")).status, 400);
    const response = await app.inject({
      method: "POST",
      url: "/api/v1/jobs",
      payload: "x",
      headers: { "content-type": "text/plain" },
    });
    assert.deepEqual([response.statusCode, response.json().error.code], [415, "ERR_MEDIA_TYPE"]);
  });

  it("pictures by URL go through where they are allowed", async () => {
    const open = await start({ jobs, allowRemote: true });
    assert.equal((await post(open, { type: "embeddings", images: ["https://example.org/a.jpg"] })).status, 202);
    await open.close();
    assert.equal(jobs.closed, 1);
  });

  it("without a queue both routes say so", async () => {
    const without = await start({});
    const { status, body } = await post(without, { type: "embeddings", images: ["file:///a.jpg"] });
    assert.deepEqual([status, body.error.code], [503, "ERR_NO_JOBS"]);
    assert.match(body.error.message, /--redis/);
    assert.equal((await without.inject("/api/v1/jobs/1")).statusCode, 404);
    await without.close();
  });
});
