import assert from "node:assert/strict";
import type { BlipModel, ClipModel } from "clip-blip";
import sharp from "sharp";
import { afterAll, beforeAll, describe, it } from "vitest";
import { assertSameVectors, loadBlip, loadClip } from "../library/models.js";
import { dataUrl, listen, pictures, post, postForm, type Running, ready, request } from "./support.js";

const some = pictures.slice(0, 3);

describe("the routes", () => {
  let service: Running;
  let clip: ClipModel;
  let blip: BlipModel;
  const at = (path: string) => service.url + path;
  beforeAll(async () => {
    [clip, blip] = await Promise.all([loadClip(), loadBlip()]);
    service = await listen({ limits: { images: 4, texts: 5, labels: 6, textLength: 100, imagePixels: 300_000 } });
    await ready(service.url);
  });
  afterAll(async () => {
    await service.app.close();
    await clip.close();
    await blip.close();
  });

  describe("POST /api/v1/embeddings/images", () => {
    const path = "/api/v1/embeddings/images";

    it("embeds data: URLs, base64 and files as the library does", async () => {
      const expected = await clip.encodeImages(some);
      for (const { status, body } of [
        await post(at(path), { images: some.map(dataUrl) }),
        await post(at(path), { images: some.map((bytes) => bytes.toString("base64")) }),
        await postForm(at(path), some),
      ]) {
        assert.equal(status, 200);
        assert.deepEqual([body.model, body.dimension], ["demo", expected[0]!.length]);
        assertSameVectors(
          body.embeddings.map((row: number[]) => Float32Array.from(row)),
          expected,
        );
      }
    });

    it("leaves the length alone where it is told to", async () => {
      const [expected] = await clip.encodeImages(some.slice(0, 1), { normalize: false });
      for (const { body } of [
        await post(at(path), { images: [dataUrl(some[0]!)], normalize: false }),
        await postForm(at(path), some.slice(0, 1), { normalize: "false" }),
      ]) {
        assert.ok(Math.abs(Math.hypot(...body.embeddings[0]) - Math.hypot(...expected!)) < 1e-4);
      }
    });
  });

  it("POST /api/v1/embeddings/texts embeds texts as the library does", async () => {
    const texts = ["a red circle", "two green squares"];
    const { status, body } = await post(at("/api/v1/embeddings/texts"), { texts });
    assert.deepEqual([status, body.model], [200, "demo"]);
    assertSameVectors(
      body.embeddings.map((row: number[]) => Float32Array.from(row)),
      await clip.encodeTexts(texts),
    );
    const long = await post(at("/api/v1/embeddings/texts"), { texts: ["a ".repeat(50)], truncate: false });
    assert.deepEqual([long.status, long.body.error.code], [422, "ERR_TEXT_TOO_LONG"]);
  });

  it("POST /api/v1/captions captions pictures as the library does, with options of generation", async () => {
    const path = at("/api/v1/captions");
    const expected = await blip.caption(some);
    for (const { status, body } of [await post(path, { images: some.map(dataUrl) }), await postForm(path, some)]) {
      assert.deepEqual([status, body.model], [200, "demo"]);
      assert.deepEqual(
        body.captions.map(({ text, tokenIds }: { text: string; tokenIds: number[] }) => ({ text, tokenIds })),
        expected.map(({ text, tokenIds }) => ({ text, tokenIds })),
      );
      for (const { score, alternatives } of body.captions) {
        assert.ok(score < 0);
        assert.deepEqual(alternatives, []);
      }
    }
    const short = await blip.caption(some, { maxLength: 5, prompt: "a picture of" });
    for (const { body } of [
      await post(path, { images: some.map(dataUrl), maxLength: 5, prompt: "a picture of" }),
      await postForm(path, some, { maxLength: "5", prompt: "a picture of" }),
    ]) {
      assert.deepEqual(
        body.captions.map(({ text }: { text: string }) => text),
        short.map(({ text }) => text),
      );
    }
  });

  it("POST /api/v1/classifications scores labels as the library does", async () => {
    const path = at("/api/v1/classifications");
    const labels = ["circle", "square"];
    const expected = await clip.classify(some, labels, { template: ["a {}", "one {}"] });
    for (const { status, body } of [
      await post(path, { images: some.map(dataUrl), labels, template: ["a {}", "one {}"] }),
      await postForm(path, some, { labels, template: ["a {}", "one {}"] }),
    ]) {
      assert.deepEqual([status, body.model], [200, "demo"]);
      for (const [index, row] of body.classifications.entries()) {
        for (const [rank, { label, score }] of row.entries()) {
          assert.equal(label, expected[index]![rank]!.label);
          assert.ok(Math.abs(score - expected[index]![rank]!.score) < 1e-4);
        }
      }
    }
    assert.equal((await postForm(path, some, { labels: "circle", template: "a {}" })).status, 200);
  });

  it("GET /api/v1/capabilities tells of the models and of what a request may ask for", async () => {
    const { status, body } = await request(at("/api/v1/capabilities"));
    assert.equal(status, 200);
    assert.deepEqual([body.clip.model, body.clip.state, body.clip.dimension], ["demo", "ready", 128]);
    assert.deepEqual([body.blip.device, body.blip.dtype, body.blip.architecture], ["cpu", "float32", "blip"]);
    assert.ok(body.clip.memory.total > 0);
    assert.deepEqual([body.limits.images, body.limits.maxQueue], [4, 256]);
  });

  it("cooldown takes the weights away, the next request and warmup bring them back", async () => {
    const cold = await request(at("/api/v1/cooldown"), { method: "POST" });
    assert.deepEqual([cold.status, cold.body.clip.state, cold.body.blip.state], [200, "unloaded", "unloaded"]);
    assert.equal((await request(at("/health/ready"))).status, 200);
    assert.equal((await post(at("/api/v1/embeddings/texts"), { texts: ["a"] })).status, 200);
    const half = await request(at("/api/v1/capabilities"));
    assert.deepEqual([half.body.clip.state, half.body.blip.state], ["ready", "unloaded"]);
    const warm = await request(at("/api/v1/warmup"), { method: "POST" });
    assert.deepEqual([warm.status, warm.body.clip.state, warm.body.blip.state], [200, "ready", "ready"]);
  });

  describe("what cannot be", () => {
    const image = dataUrl(some[0]!);
    const images = "/api/v1/embeddings/images";
    const texts = "/api/v1/embeddings/texts";

    it("is refused with a status, a code and a sentence", async () => {
      const large = await sharp({ create: { width: 600, height: 600, channels: 3, background: "red" } })
        .png()
        .toBuffer();
      for (const [path, body, status, code, message] of [
        [images, {}, 422, "ERR_INVALID_ARGUMENT", /^body must have required properties images/],
        [images, { images: [] }, 422, "ERR_INVALID_ARGUMENT", /^body\.images /],
        [images, { images: Array(5).fill(image) }, 422, "ERR_INVALID_ARGUMENT", /^body\.images .*4/],
        [images, { images: [image], size: 3 }, 422, "ERR_INVALID_ARGUMENT", /unknown properties: "size"/],
        [
          texts,
          { texts: ["a"], ...Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`\u202e${at}`, 1])) },
          422,
          "ERR_INVALID_ARGUMENT",
          /^body has unknown properties: "\\u202e0", .*"\\u202e4", …$/,
        ],
        [images, { images: [image, "not base64!"] }, 422, "ERR_INVALID_ARGUMENT", /must be a data: URL.*item 1/],
        [images, { images: [image, "AAAA"] }, 422, "ERR_IMAGE_DECODE", /not a picture in a supported format/],
        [images, { images: [image, "data:image/png,"] }, 422, "ERR_IMAGE_DECODE", /empty/],
        [images, { images: [image, image.slice(0, 2000)] }, 422, "ERR_IMAGE_DECODE", /damaged.*item 1/],
        [images, { images: ["/etc/hostname"] }, 422, "ERR_IMAGE_DECODE", /./],
        [images, { images: ["file:///etc/hostname"] }, 422, "ERR_INVALID_ARGUMENT", /must be a data: URL/],
        [images, { images: ["http://127.0.0.1/a.jpg"] }, 422, "ERR_INVALID_ARGUMENT", /does not fetch pictures by URL/],
        [images, { images: [dataUrl(large)] }, 413, "ERR_IMAGE_TOO_LARGE", /^A picture is too large/],
        [texts, { texts: ["a".repeat(101)] }, 422, "ERR_INVALID_ARGUMENT", /^body\.texts\[0\] .*100/],
        [texts, { texts: Array(6).fill("a") }, 422, "ERR_INVALID_ARGUMENT", /^body\.texts .*5/],
        [texts, { texts: "a" }, 422, "ERR_INVALID_ARGUMENT", /^body\.texts must be array/],
        [texts, { texts: [1] }, 422, "ERR_INVALID_ARGUMENT", /^body\.texts\[0\] must be string/],
        ["/api/v1/captions", { images: [image], numBeams: 17 }, 422, "ERR_INVALID_ARGUMENT", /^body\.numBeams .*16/],
        ["/api/v1/captions", { images: [image], numBeams: 0 }, 422, "ERR_INVALID_ARGUMENT", /^body\.numBeams /],
        ["/api/v1/captions", { images: [image], repetitionPenalty: 5e-324 }, 422, "ERR_INVALID_ARGUMENT", /0\.01/],
        ["/api/v1/captions", { images: [image], maxLength: 10_000 }, 422, "ERR_INVALID_ARGUMENT", /maxLength/],
        ["/api/v1/captions", { images: [image], maxLength: 3, prompt: "a a a" }, 422, "ERR_TEXT_TOO_LONG", /maxLength/],
        ["/api/v1/classifications", { images: [image] }, 422, "ERR_INVALID_ARGUMENT", /labels/],
        [
          "/api/v1/classifications",
          { images: [image], labels: Array(7).fill("a") },
          422,
          "ERR_INVALID_ARGUMENT",
          /labels/,
        ],
        [
          "/api/v1/classifications",
          { images: [image], labels: ["a"], template: "b" },
          422,
          "ERR_INVALID_ARGUMENT",
          /template/,
        ],
        ["/nowhere", {}, 404, "ERR_NOT_FOUND", /no such route/],
      ] as const) {
        const answer = await post(at(path), body);
        const told = `${path} ${JSON.stringify(body).slice(0, 80)} ${JSON.stringify(answer.body)}`;
        assert.deepEqual([answer.status, answer.body.error?.code], [status, code], told);
        assert.match(answer.body.error.message, message, told);
        // No stack, no path, no text of a native library.
        assert.doesNotMatch(JSON.stringify(answer.body), /\/(?:work|home|lib|dist|node_modules)\/|Vips|\\n/i, told);
      }
    });

    it("in a form is refused alike", async () => {
      for (const [files, fields, status, message] of [
        [[], {}, 422, /^body\.images /],
        [Array(5).fill(some[0]), {}, 422, /too many files/],
        [some, { maxLength: "ten" }, 422, /^body\.maxLength must be integer/],
        [some, { colour: "red" }, 422, /unknown properties: "colour"/],
        [some, { images: "x" }, 422, /without a file name/],
        [[Buffer.from("no picture")], {}, 422, /not a picture/],
      ] as const) {
        const { status: actual, body } = await postForm(at("/api/v1/captions"), [...files], fields);
        assert.equal(actual, status, JSON.stringify(body));
        assert.match(body.error.message, message);
      }
      const broken = '--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\nabc';
      for (const [type, body] of [
        ["multipart/form-data; boundary=x", broken],
        ["multipart/form-data", broken],
      ] as const) {
        const answer = await request(at("/api/v1/captions"), {
          method: "POST",
          headers: { "content-type": type },
          body,
        });
        assert.deepEqual([answer.status, answer.body.error.code], [400, "ERR_INVALID_ARGUMENT"]);
      }
    });

    it("as JSON or as a media type is refused alike", async () => {
      for (const [type, body, status, code] of [
        ["application/json", "{", 400, "ERR_INVALID_ARGUMENT"],
        ["application/json", "", 400, "ERR_INVALID_ARGUMENT"],
        ["application/json", '{"__proto__": {"a": 1}, "texts": ["a"]}', 400, "ERR_INVALID_ARGUMENT"],
        ["application/json", `${"[".repeat(20_000)}`, 400, "ERR_INVALID_ARGUMENT"],
        ["text/plain", "a", 415, "ERR_MEDIA_TYPE"],
        ["application/x-www-form-urlencoded", "texts=a", 415, "ERR_MEDIA_TYPE"],
        ["multipart/form-data; boundary=x", "--x--", 415, "ERR_MEDIA_TYPE"],
      ] as const) {
        const answer = await request(at(texts), { method: "POST", headers: { "content-type": type }, body });
        assert.deepEqual([answer.status, answer.body.error.code], [status, code], `${type} ${body.slice(0, 20)}`);
      }
    });
  });
});
