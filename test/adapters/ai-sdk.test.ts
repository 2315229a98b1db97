import assert from "node:assert/strict";
import { cosineSimilarity, embed, embedMany } from "ai";
import { clipEmbeddingModel } from "clip-blip/ai-sdk";
import { afterAll, test } from "vitest";
import { assertVectors, dataUrl, LOAD, loadExpected, PICTURES, TEXTS } from "./support.js";

const expected = await loadExpected();
afterAll(() => expected.clip.close());

for (const specificationVersion of ["v3", "v4"] as const) {
  test(`serves embed and embedMany, specification ${specificationVersion}`, async () => {
    const model =
      specificationVersion === "v3"
        ? clipEmbeddingModel({ model: expected.clip, specificationVersion })
        : clipEmbeddingModel({ model: expected.clip });
    assert.equal(model.specificationVersion, specificationVersion);
    assertVectors((await embedMany({ model, values: TEXTS })).embeddings, expected.texts);
    const { embedding, value } = await embed({ model, value: TEXTS[1]! });
    assertVectors([embedding], [expected.texts[1]!]);
    assert.equal(value, TEXTS[1]);
    assert.ok(Math.abs(cosineSimilarity(embedding, [...expected.texts[1]!]) - 1) < 1e-5);
  });
}

test("embeds data URLs as pictures, among texts", async () => {
  const model = clipEmbeddingModel({ model: "demo", load: LOAD });
  const values = [TEXTS[0]!, dataUrl(PICTURES[0]!), dataUrl(PICTURES[1]!), TEXTS[1]!];
  const { texts, pictures } = expected;
  const { embeddings } = await embedMany({ model, values });
  assertVectors(embeddings, [texts[0]!, pictures[0]!, pictures[1]!, texts[1]!]);
});

test("splits long lists, and ends with the signal", async () => {
  const model = clipEmbeddingModel({ model: expected.clip, modelId: "mine" });
  assert.deepEqual([model.provider, model.modelId], ["clip-blip", "mine"]);
  const values = Array.from({ length: 600 }, (_, index) => TEXTS[index % 3]!);
  const { embeddings, responses } = await embedMany({ model, values });
  assert.equal(responses?.length, 3);
  assertVectors(
    embeddings,
    values.map((_, index) => expected.texts[index % 3]!),
  );
  await assert.rejects(
    embedMany({ model, values, abortSignal: AbortSignal.abort(new Error("enough")) }),
    /enough|abort/i,
  );
});

test("takes the source of a model as it stands", async () => {
  const model = clipEmbeddingModel("demo");
  assert.equal(model.modelId, "demo");
  const { embedding } = await embed({ model, value: TEXTS[1]! });
  assert.equal(embedding.length, expected.texts[1]!.length);
  assert.equal(clipEmbeddingModel(expected.clip).modelId, "clip");
  for (const wrong of [undefined, null, 7, {}]) {
    assert.throws(() => clipEmbeddingModel(wrong as never), { code: "ERR_INVALID_ARGUMENT" });
  }
});
