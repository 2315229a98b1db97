import assert from "node:assert/strict";
import { afterAll, beforeAll, describe, it } from "vitest";
import { listen, pictures, post, postForm, type Running, ready, request } from "./support.js";

/** Samples of Prometheus's text format, by name and labels. */
function samples(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

describe("GET /metrics", () => {
  let service: Running;
  beforeAll(async () => {
    service = await listen();
    await ready(service.url);
  });
  afterAll(() => service.app.close());

  it("tells of requests, queues, preparation, inference, batches, items and memory", async () => {
    await postForm(`${service.url}/api/v1/embeddings/images`, pictures.slice(0, 5));
    await postForm(`${service.url}/api/v1/captions`, pictures.slice(0, 3));
    await post(`${service.url}/api/v1/embeddings/texts`, { texts: ["a", "b"] });
    await postForm(`${service.url}/api/v1/embeddings/images`, [Buffer.from("no picture")]);
    await request(`${service.url}/scanned-by-a-stranger.php`);
    const { status, headers, body } = await request(`${service.url}/metrics`);
    assert.equal(status, 200);
    assert.match(headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
    const found = samples(body);
    const value = (name: string) => {
      assert.ok(found.has(name), name);
      return found.get(name)!;
    };
    const images = 'method="POST",route="/api/v1/embeddings/images"';
    assert.equal(value(`clip_blip_http_requests_total{${images},status="200"}`), 1);
    assert.equal(value(`clip_blip_http_requests_total{${images},status="422"}`), 1);
    assert.equal(value('clip_blip_http_requests_total{method="GET",route="none",status="404"}'), 1);
    assert.equal(value(`clip_blip_http_request_duration_seconds_count{${images}}`), 2);
    for (const [operation, items] of [
      ["encode_image", 5],
      ["encode_text", 2],
      ["caption", 3],
    ] as const) {
      const labels = `operation="${operation}",device="cpu"`;
      assert.equal(value(`clip_blip_items_total{${labels},outcome="ok"}`), items);
      assert.equal(value(`clip_blip_items_total{${labels},outcome="failed"}`), 0);
      assert.equal(value(`clip_blip_queue_seconds_count{${labels}}`), items);
      assert.equal(value(`clip_blip_batch_items_sum{${labels}}`), items);
      assert.ok(value(`clip_blip_inference_seconds_sum{${labels}}`) > 0);
      assert.equal(value(`clip_blip_batch_splits_total{${labels}}`), 0);
    }
    assert.equal(value("clip_blip_preprocess_seconds_count"), 9);
    assert.equal(value('clip_blip_pictures_total{outcome="decoded"}'), 8);
    assert.equal(value('clip_blip_pictures_total{outcome="undecodable"}'), 1);
    assert.equal(value('clip_blip_queue_items{model="clip"}'), 0);
    assert.equal(value('clip_blip_model_ready{model="blip"}'), 1);
    assert.ok(value('clip_blip_device_memory_bytes{device="cpu",kind="allocated"}') > 1e6);
    assert.ok(value("process_resident_memory_bytes") > 1e6);
  });

  it("has help and a type for every metric, in Prometheus's names", async () => {
    const { body } = await request(`${service.url}/metrics`);
    const own = [...body.matchAll(/^# TYPE (clip_blip_\w+) (\w+)$/gm)];
    assert.ok(own.length >= 13, String(own.length));
    for (const [, name, type] of own) {
      assert.match(body, new RegExp(`^# HELP ${name} \\w`, "m"));
      assert.equal(name.endsWith("_total"), type === "counter", name);
      if (type === "histogram") assert.match(name, /_(seconds|items)$/);
    }
  });
});

describe("the documentation", () => {
  let service: Running;
  beforeAll(async () => {
    service = await listen({ token: "secret" });
  });
  afterAll(() => service.app.close());
  const headers = { authorization: "Bearer secret" };

  it("describes every route of the service", async () => {
    const { status, body } = await request(`${service.url}/openapi.json`, { headers });
    assert.deepEqual([status, body.openapi], [200, "3.1.0"]);
    assert.deepEqual(Object.keys(body.paths).sort(), [
      "/api/v1/capabilities",
      "/api/v1/captions",
      "/api/v1/classifications",
      "/api/v1/cooldown",
      "/api/v1/embeddings/images",
      "/api/v1/embeddings/texts",
      "/api/v1/jobs",
      "/api/v1/jobs/{id}",
      "/api/v1/warmup",
      "/health/live",
      "/health/ready",
      "/metrics",
      "/v1/embeddings",
    ]);
    const { requestBody, responses } = body.paths["/api/v1/captions"].post;
    assert.deepEqual(Object.keys(requestBody.content), ["application/json", "multipart/form-data"]);
    assert.ok(requestBody.content["application/json"].schema.properties.numBeams);
    assert.equal(requestBody.content["multipart/form-data"].schema.properties.images.items.format, "binary");
    for (const code of ["200", "413", "415", "422", "429", "503"]) assert.ok(responses[code], code);
    assert.ok(body.components.securitySchemes.token);
  });

  it("is a page at /docs that loads nothing from elsewhere", async () => {
    const page = await request(`${service.url}/docs`, { headers });
    assert.equal(page.status, 200);
    assert.match(page.headers.get("content-security-policy")!, /default-src 'self'/);
    for (const [, source] of page.body.matchAll(/(?:src|href)="([^"]+)"/g)) {
      assert.doesNotMatch(source, /^(https?:)?\/\//);
      assert.equal(
        (await request(new URL(source, page.body.baseURI ?? `${service.url}/docs`).href, { headers })).status,
        200,
      );
    }
  });
});
