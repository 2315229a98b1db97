// Inputs of /v1/embeddings that say what they are, or should.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ClipModel } from "clip-blip";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, it } from "vitest";
import { assertSameVectors, loadClip } from "../library/models.js";
import { dataUrl, listen, pictures, post, type Running, ready } from "./support.js";

const [first, second] = pictures as [Buffer<ArrayBuffer>, Buffer<ArrayBuffer>];
const text = "a red circle";

describe("inputs of POST /v1/embeddings", () => {
  let service: Running;
  let clip: ClipModel;
  let vectors: { first: Float32Array; second: Float32Array; text: Float32Array };
  let remote: string;
  const files = createServer((_request, response) => response.end(second));
  beforeAll(async () => {
    files.listen(0, "127.0.0.1").unref();
    await once(files, "listening");
    remote = `http://127.0.0.1:${(files.address() as AddressInfo).port}/second.jpg?size=1`;
    clip = await loadClip();
    const [one, two] = await clip.encodeImages([first, second]);
    vectors = { first: one!, second: two!, text: (await clip.encodeTexts([text]))[0]! };
    service = await listen({ blip: false, allowRemote: true, allowedAddresses: ["127.0.0.1"] });
    await ready(service.url);
  });
  afterAll(async () => {
    files.close();
    await service.app.close();
    await clip.close();
  });

  const ask = (body: object) => post(`${service.url}/v1/embeddings`, body);

  /** Embeds, and compares with what the library gives, in order. */
  async function gives(body: object, ...names: (keyof typeof vectors)[]): Promise<void> {
    const { status, body: answer } = await ask(body);
    assert.equal(status, 200, JSON.stringify(answer).slice(0, 300));
    assertSameVectors(
      answer.data.map(({ embedding }: { embedding: number[] }) => Float32Array.from(embedding)),
      names.map((name) => vectors[name]),
    );
  }

  it("take the parts of OpenAI's messages, mixed and in order", async () => {
    await gives(
      {
        input: [
          { type: "text", text },
          { type: "image_url", image_url: { url: dataUrl(first), detail: "low" } },
          text,
          { type: "image_url", image_url: { url: remote } },
          { type: "input_image", image_url: dataUrl(second) },
          { type: "input_text", text },
        ],
      },
      "text",
      "first",
      "text",
      "second",
      "second",
      "text",
    );
  });

  it("take {text} and {image}, alone and in lists", async () => {
    await gives({ input: { image: dataUrl(first) } }, "first");
    await gives({ input: { text } }, "text");
    await gives(
      { input: [{ image: remote }, { text }, { image: first.toString("base64") }] },
      "second",
      "text",
      "first",
    );
    await gives(
      { input: [{ type: "image", image: dataUrl(first) }, { image_url: dataUrl(second) }] },
      "first",
      "second",
    );
  });

  it("take a conversation of one part, as vLLM does", async () => {
    const image_url = { url: dataUrl(first) };
    await gives({ messages: [{ role: "user", content: [{ type: "image_url", image_url }] }] }, "first");
    await gives({ messages: [{ role: "user", content: text }] }, "text");
    await gives({ input: [[{ type: "text", text }], [{ type: "image_url", image_url }]] }, "text", "first");
  });

  it("are pictures or texts as infinity's modality says", async () => {
    await gives(
      { input: [remote, dataUrl(first), second.toString("base64")], modality: "image" },
      "second",
      "first",
      "second",
    );
    await gives({ input: remote, modality: "image" }, "second");
    await gives({ input: [text], modality: "text" }, "text");
    const [url] = await clip.encodeTexts([remote]);
    vectors = { ...vectors, text: url! };
    await gives({ input: [remote], modality: "text" }, "text");
    await gives({ input: [{ type: "text", text: remote }] }, "text");
    vectors = { ...vectors, text: (await clip.encodeTexts([text]))[0]! };
  });

  it("are never pictures that are embedded as words", async () => {
    for (const picture of [
      first.toString("base64"),
      first.toString("base64url"),
      "/9j/4AAQSkZJRgABAQAAAQABAAD",
      "iVBORw0KGgoAAAANSUhEUgAA",
      "R0lGODlhAQABAIAAAAAAAP",
      "https://example.org/a/b.JPG?width=3#x",
      "http://example.org/a%20b.webp",
      "HTTPS://EXAMPLE.ORG/A.PNG",
    ]) {
      const { status, body } = await ask({ input: [text, picture] });
      assert.deepEqual(
        [status, body.error?.code, body.error?.index],
        [422, "ERR_INVALID_ARGUMENT", 1],
        picture.slice(0, 60),
      );
      assert.match(body.error.message, /^body\.input\[1\] is .*picture.*"type": "image_url".*"modality": "image"/);
      assert.ok(body.error.message.length < 400);
    }
    await gives({ input: dataUrl(first) }, "first");
  });

  it("are words where they only look a little like a picture", async () => {
    for (const words of [
      "a photo named a.jpg",
      "https://example.org/",
      "data: a red circle",
      "GIF89a",
      "/9j/",
      "see http://x.org/a.png now",
    ]) {
      const [expected] = await clip.encodeTexts([words]);
      const { status, body } = await ask({ input: words });
      assert.equal(status, 200, words);
      assertSameVectors([Float32Array.from(body.data[0].embedding)], [expected!]);
    }
  });

  it("that contradict themselves are refused", async () => {
    const image_url = { url: dataUrl(first) };
    for (const [body, message] of [
      [
        { input: [text], modality: "audio" },
        /^body\.modality is "audio", but a CLIP model embeds only texts and pictures/,
      ],
      [{ input: [text], modality: "images" }, /for body\.modality but received 'images'/],
      [{ input: [{ type: "input_audio", input_audio: {} }] }, /^body\.input\[0\] is of type "input_audio"/],
      [{ input: [{ type: "text", image_url }] }, /^body\.input\[0\] must have text/],
      [{ input: [{ text, image: dataUrl(first) }] }, /^body\.input\[0\] must have one of text, image_url and image/],
      [{ input: [{ type: "image_url", image_url }], modality: "text" }, /leave body\.modality out for a mixed list/],
      [
        { input: [{ type: "image_url", imageurl: image_url }] },
        /^Unknown option body\.input\[0\]\.imageurl: did you mean image_url\?/,
      ],
      [{ input: [{ type: "image_url", image_url: { uri: "a" } }] }, /image_url\.uri: did you mean url\?/],
      [{ input: [{ type: "image_url", image_url: {} }] }, /^Expected a string for body\.input\[0\]\.image_url\.url/],
      [{ input: [[1, 2, 3]] }, /^body\.input\[0\] has token ids/],
      [{ input: [1, 2, 3] }, /^body\.input\[0\] has token ids/],
      [
        {
          messages: [
            {
              role: "user",
              content: [
                { type: "text", text },
                { type: "image_url", image_url },
              ],
            },
          ],
        },
        /2 parts/,
      ],
      [{ input: text, messages: [] }, /both input and messages/],
      [{}, /^body\.input is missing/],
      [{ inputs: text }, /^Unknown option body\.inputs: did you mean input\?/],
      [{ input: text, input_type: "query" }, /^Unknown option body\.input_type/],
      [{ input: text, encodingFormat: "base64" }, /did you mean encoding_format\?/],
      [{ input: text, dimension: 64 }, /did you mean dimensions\?/],
      [{ input: text, encoding_format: "hex" }, /body\.encoding_format/],
      [{ input: "a.jpg", modality: "image" }, /must be a data: URL or base64 \(item 0\)/],
    ] as const) {
      const { status, body: answer } = await ask(body);
      assert.deepEqual([status, answer.error?.code], [422, "ERR_INVALID_ARGUMENT"], JSON.stringify(body).slice(0, 200));
      assert.match(answer.error.message, message);
    }
  });

  it("are blamed by their place in the request", async () => {
    const damaged = dataUrl(first.subarray(0, 1500));
    const { status, body } = await ask({ input: [text, dataUrl(second), { image: damaged }, text] });
    assert.deepEqual([status, body.error.code, body.error.index], [422, "ERR_IMAGE_DECODE", 2]);
    assert.match(body.error.message, /\(item 2\)/);
    const alone = await ask({ input: [text, { image: damaged }] });
    assert.deepEqual([alone.body.error.code, alone.body.error.index], ["ERR_IMAGE_DECODE", 1]);
    const inside = await ask({ input: [text, { image: "http://10.0.0.1/a.jpg" }] });
    assert.deepEqual([inside.status, inside.body.error.index], [422, 1]);
    assert.match(inside.body.error.message, /not public/);
  });

  it("come as OpenAI's Python client sends them", async () => {
    const bodies = JSON.parse(
      readFileSync(new URL("../fixtures/openai-requests.json", import.meta.url), "utf8").replaceAll(
        "data:image/png;base64,PICTURE",
        dataUrl(first),
      ),
    ) as { input: unknown; encoding_format: string; dimensions?: number }[];
    for (const body of bodies) {
      const { status, body: answer } = await ask(body);
      assert.equal(status, 200, JSON.stringify(answer).slice(0, 300));
      assert.equal(answer.data.length, [body.input].flat().length);
      assert.equal(typeof answer.data[0].embedding, body.encoding_format === "base64" ? "string" : "object");
    }
  });

  it("come as OpenAI's client for Node sends them", async () => {
    const client = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: "none", maxRetries: 0 });
    const input = [{ type: "image_url", image_url: { url: dataUrl(first) } }, text] as never;
    const { data } = await client.embeddings.create({ model: "demo", input, user: "me" });
    assertSameVectors(
      data.map(({ embedding }) => Float32Array.from(embedding)),
      [vectors.first, vectors.text],
    );
  });

  it("by URL are refused where the service does not fetch", async () => {
    const closed = await listen({ blip: false });
    await ready(closed.url);
    for (const body of [{ input: [remote], modality: "image" }, { input: [{ image: remote }] }]) {
      const { status, body: answer } = await post(`${closed.url}/v1/embeddings`, body);
      assert.equal(status, 422);
      assert.match(answer.error.message, /does not fetch pictures by URL/);
    }
    await closed.app.close();
  });
});

describe("properties that no route has", () => {
  let service: Running;
  beforeAll(async () => {
    service = await listen();
    await ready(service.url);
  });
  afterAll(() => service.app.close());

  it("are refused with the one that was meant", async () => {
    const image = dataUrl(first);
    for (const [path, body, message] of [
      ["/api/v1/captions", { images: [image], num_beams: 3 }, /"num_beams"\. Did you mean body\.numBeams\?/],
      ["/api/v1/captions", { images: [image], max_new_tokens: 3 }, /Did you mean body\.maxNewTokens\?/],
      ["/api/v1/captions", { images: [image], bad_words_ids: [] }, /Did you mean body\.badWords\?/],
      ["/api/v1/captions", { image: [image] }, /Did you mean body\.images\?/],
      ["/api/v1/embeddings/texts", { texts: ["a"], normalise: false }, /Did you mean body\.normalize\?/],
      ["/api/v1/embeddings/images", { images: [image], normalized: true }, /Did you mean body\.normalize\?/],
      [
        "/api/v1/classifications",
        { images: [image], labels: ["a"], templates: ["a {}"] },
        /Did you mean body\.template\?/,
      ],
      [
        "/api/v1/jobs",
        { type: "captions", images: ["file:///a"], maxLength: 9 },
        /Did you mean body\.options\.maxLength\?/,
      ],
      ["/api/v1/jobs", { type: "captions", images: [{ url: "file:///a" }] }, /Did you mean body\.images\[\]\.uri\?/],
      ["/api/v1/jobs", { type: "captions", images: ["file:///a"], options: { top_k: 3 } }, /body\.options\.topK\?/],
      ["/api/v1/warmup", { models: ["clip"] }, /^Unknown option body\.models/],
      ["/api/v1/cooldown", { clip: true }, /^Unknown option body\.clip/],
      ["/api/v1/captions?numBeams=3", { images: [image] }, /^querystring has unknown properties: "numBeams"/],
      ["/v1/embeddings?modality=image", { input: "a" }, /^querystring has unknown properties: "modality"/],
      ["/api/v1/warmup?model=clip", undefined, /^querystring has unknown properties: "model"/],
    ] as const) {
      const init =
        body === undefined
          ? { method: "POST" }
          : { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
      const answer = await fetch(`${service.url}${path}`, init);
      const { error } = (await answer.json()) as { error: { code: string; message: string } };
      assert.deepEqual([answer.status, error?.code], [422, "ERR_INVALID_ARGUMENT"], path);
      assert.match(error.message, message);
    }
    for (const path of ["/api/v1/capabilities?verbose=1", "/api/v1/jobs/1?results=0"]) {
      assert.equal((await fetch(`${service.url}${path}`)).status, 422, path);
    }
    for (const path of ["/health/ready?probe=1", "/?utm=1", "/metrics?a=b", "/docs?x=1"]) {
      assert.equal((await fetch(`${service.url}${path}`)).status, 200, path);
    }
    const empty = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
    assert.equal((await fetch(`${service.url}/api/v1/warmup`, empty)).status, 200);
  });
});
