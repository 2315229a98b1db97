import assert from "node:assert/strict";
import type { ClipModel } from "clip-blip";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, it } from "vitest";
import { assertSameVectors, loadClip } from "../library/models.js";
import { dataUrl, listen, pictures, post, type Running, ready } from "./support.js";

describe("POST /v1/embeddings", () => {
  let service: Running;
  let clip: ClipModel;
  let client: OpenAI;
  const picture = dataUrl(pictures[0]!);
  const texts = ["a red circle", "two green squares on a white background"];
  beforeAll(async () => {
    clip = await loadClip();
    service = await listen({ blip: false, token: "secret" });
    await ready(service.url);
    client = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: "secret", maxRetries: 0 });
  });
  afterAll(async () => {
    await service.app.close();
    await clip.close();
  });

  for (const encoding_format of ["float", "base64", undefined] as const) {
    it(`OpenAI's client embeds texts and pictures with encoding_format ${encoding_format}`, async () => {
      const input = [texts[0]!, picture, texts[1]!];
      const answer = await client.embeddings.create({ model: "demo", input, encoding_format });
      assert.deepEqual([answer.object, answer.model], ["list", "demo"]);
      assert.deepEqual(
        answer.data.map(({ object, index }) => [object, index]),
        [0, 1, 2].map((index) => ["embedding", index]),
      );
      const [first, last] = await clip.encodeTexts(texts);
      const [image] = await clip.encodeImages([pictures[0]!]);
      const vectors = answer.data.map(({ embedding }) =>
        // The client decodes base64 by itself where it has asked for it by itself.
        typeof embedding === "string"
          ? new Float32Array(new Uint8Array(Buffer.from(embedding, "base64")).buffer)
          : Float32Array.from(embedding),
      );
      assertSameVectors(vectors, [first!, image!, last!]);
      const tokens = clip.countTokens(texts).reduce((sum, count) => sum + count);
      assert.deepEqual(answer.usage, { prompt_tokens: tokens, total_tokens: tokens });
    });
  }

  it("takes one text or one picture, which has no tokens", async () => {
    for (const [input, tokens] of [
      [texts[0]!, clip.countTokens([texts[0]!])[0]!],
      [picture, 0],
    ] as const) {
      const { data, usage } = await client.embeddings.create({ model: "whatever", input, dimensions: 128 });
      assert.deepEqual([data.length, data[0]!.embedding.length, usage.total_tokens], [1, 128, tokens]);
    }
  });

  it("tells OpenAI's client what is wrong", async () => {
    for (const [input, extra, status, message] of [
      [[], {}, 422, /body\.input/],
      [texts, { dimensions: 64 }, 422, /128 numbers/],
      [["a", "x".repeat(5000)], {}, 422, /more than 4096 characters.* \(item 1\)/],
      [[picture.slice(0, 2000)], {}, 422, /damaged/],
      [[[1, 2, 3]], {}, 422, /body\.input/],
      [Array(65).fill(picture.slice(0, 100)), {}, 422, /more than 64 pictures/],
    ] as const) {
      const call = client.embeddings.create({ model: "demo", input: input as never, ...extra });
      await assert.rejects(call, (error: InstanceType<typeof OpenAI.APIError>) => {
        assert.equal(error.status, status);
        assert.match(error.message, message);
        return true;
      });
    }
    const stranger = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: "guess", maxRetries: 0 });
    await assert.rejects(stranger.embeddings.create({ model: "demo", input: "a" }), OpenAI.AuthenticationError);
  });

  it("ignores what does not change an embedding", async () => {
    const headers = { authorization: "Bearer secret" };
    const body = { input: "a", model: "demo", user: "me" };
    assert.equal((await post(`${service.url}/v1/embeddings`, body, { headers })).status, 200);
  });
});
