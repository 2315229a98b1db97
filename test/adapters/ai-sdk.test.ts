import assert from "node:assert/strict";
import * as sdk7 from "ai";
// What npm installs on Node 20.
import * as sdk6 from "ai6";
import { clipEmbeddingModel } from "clip-blip/ai-sdk";
import { afterAll, describe, test } from "vitest";
import { assertVectors, dataUrl, LOAD, loadExpected, PICTURES, TEXTS } from "./support.js";

const expected = await loadExpected();
afterAll(() => expected.clip.close());

/** What a version of the AI SDK makes of a model, in types too. */
interface Use {
  embedMany(values: string[], abortSignal?: AbortSignal): Promise<{ embeddings: number[][]; responses?: unknown[] }>;
  embed(value: string): Promise<{ embedding: number[]; value: string }>;
  cosineSimilarity(a: number[], b: number[]): number;
}
const model = clipEmbeddingModel({ model: expected.clip, modelId: "mine" });
const latest = clipEmbeddingModel({ model: expected.clip, modelId: "mine", specificationVersion: "v4" });
const byName = clipEmbeddingModel({ model: "demo", load: LOAD });

const uses: Record<string, Use & { mixed(values: string[]): Promise<{ embeddings: number[][] }> }> = {
  "the AI SDK 6": {
    embedMany: (values, abortSignal) => sdk6.embedMany({ model, values, ...(abortSignal && { abortSignal }) }),
    embed: (value) => sdk6.embed({ model, value }),
    mixed: (values) => sdk6.embedMany({ model: byName, values }),
    cosineSimilarity: sdk6.cosineSimilarity,
  },
  "the AI SDK 7": {
    embedMany: (values, abortSignal) => sdk7.embedMany({ model, values, ...(abortSignal && { abortSignal }) }),
    embed: (value) => sdk7.embed({ model, value }),
    mixed: (values) => sdk7.embedMany({ model: byName, values }),
    cosineSimilarity: sdk7.cosineSimilarity,
  },
  "the AI SDK 7 with its own specification": {
    embedMany: (values, abortSignal) => sdk7.embedMany({ model: latest, values, ...(abortSignal && { abortSignal }) }),
    embed: (value) => sdk7.embed({ model: latest, value }),
    mixed: (values) => sdk7.embedMany({ model: byName, values }),
    cosineSimilarity: sdk7.cosineSimilarity,
  },
};

for (const [name, { embedMany, embed, mixed, cosineSimilarity }] of Object.entries(uses)) {
  describe(`in ${name}`, () => {
    test("embed and embedMany give the vectors of the model", async () => {
      assertVectors((await embedMany(TEXTS)).embeddings, expected.texts);
      const { embedding, value } = await embed(TEXTS[1]!);
      assertVectors([embedding], [expected.texts[1]!]);
      assert.equal(value, TEXTS[1]);
      assert.ok(Math.abs(cosineSimilarity(embedding, [...expected.texts[1]!]) - 1) < 1e-5);
    });

    test("data URLs are embedded as pictures, among texts", async () => {
      const { texts, pictures } = expected;
      const { embeddings } = await mixed([TEXTS[0]!, dataUrl(PICTURES[0]!), dataUrl(PICTURES[1]!), TEXTS[1]!]);
      assertVectors(embeddings, [texts[0]!, pictures[0]!, pictures[1]!, texts[1]!]);
    });

    test("long lists are split, and the signal ends a call", async () => {
      const values = Array.from({ length: 600 }, (_, index) => TEXTS[index % 3]!);
      const { embeddings, responses } = await embedMany(values);
      assert.equal(responses?.length, 3);
      assertVectors(
        embeddings,
        values.map((_, index) => expected.texts[index % 3]!),
      );
      await assert.rejects(embedMany(TEXTS, AbortSignal.abort(new Error("enough"))), /enough|abort/i);
    });
  });
}

test("the specification that both versions take is the default", () => {
  assert.equal(model.specificationVersion, "v3");
  assert.equal(latest.specificationVersion, "v4");
  assert.deepEqual([model.provider, model.modelId, byName.modelId], ["clip-blip", "mine", "demo"]);
});

test("takes the source of a model as it stands", async () => {
  const model = clipEmbeddingModel("demo");
  assert.equal(model.modelId, "demo");
  const { embedding } = await sdk7.embed({ model, value: TEXTS[1]! });
  assert.equal(embedding.length, expected.texts[1]!.length);
  assert.equal(clipEmbeddingModel(expected.clip).modelId, "clip");
  for (const wrong of [undefined, null, 7, {}]) {
    assert.throws(() => clipEmbeddingModel(wrong as never), { code: "ERR_INVALID_ARGUMENT" });
  }
});
