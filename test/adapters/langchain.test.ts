import assert from "node:assert/strict";
import { Document } from "@langchain/core/documents";
import { Embeddings } from "@langchain/core/embeddings";
import { FakeVectorStore } from "@langchain/core/utils/testing";
import { ClipEmbeddings } from "clip-blip/langchain";
import { afterAll, test } from "vitest";
import { assertVectors, LOAD, loadExpected, PICTURES, TEXTS } from "./support.js";

const expected = await loadExpected();
const { clip } = expected;
afterAll(() => clip.close());

test("is LangChain's Embeddings", async () => {
  const embeddings = new ClipEmbeddings(clip);
  assert.ok(embeddings instanceof Embeddings);
  assertVectors(await embeddings.embedDocuments(TEXTS), expected.texts);
  assertVectors([await embeddings.embedQuery(TEXTS[1]!)], [expected.texts[1]!]);
  assertVectors(await embeddings.embedImages(PICTURES), expected.pictures);
  assertVectors([await embeddings.embedImageQuery(PICTURES[1]!)], [expected.pictures[1]!]);
  assert.deepEqual(await embeddings.embedDocuments([]), []);
});

test("serves one of its vector stores, with texts and pictures side by side", async () => {
  const embeddings = new ClipEmbeddings({ model: clip });
  const store = await FakeVectorStore.fromTexts(
    TEXTS,
    TEXTS.map((_, index) => ({ index })),
    embeddings,
  );
  const [[best, score]] = (await store.similaritySearchWithScore(TEXTS[2]!, 1)) as [[Document, number]];
  assert.deepEqual([best.metadata.index, Math.abs(score - 1) < 1e-5], [2, true]);
  await store.addVectors(
    await embeddings.embedImages(PICTURES),
    PICTURES.map((path) => new Document({ pageContent: path })),
  );
  const found = await store.similaritySearchVectorWithScore(await embeddings.embedImageQuery(PICTURES[0]!), 1);
  assert.equal(found[0]![0].pageContent, PICTURES[0]);
});

test("loads a model whose source is given, once", async () => {
  const [one, other] = [0, 1].map(() => new ClipEmbeddings({ model: "demo", load: LOAD }));
  assertVectors(await one!.embedDocuments(TEXTS), expected.texts);
  assertVectors([await other!.embedQuery(TEXTS[0]!)], [expected.texts[0]!]);
});

test("fails with the library's errors, and without trying again", async () => {
  await assert.rejects(new ClipEmbeddings({ model: "no/such/model" }).embedQuery("a"), { code: "ERR_MODEL_NOT_FOUND" });
  await assert.rejects(new ClipEmbeddings({ model: clip }).embedImages(["nowhere.jpg"]), {
    code: "ERR_IMAGE_NOT_FOUND",
  });
  assert.throws(() => new ClipEmbeddings({} as never), { code: "ERR_INVALID_ARGUMENT" });
});
