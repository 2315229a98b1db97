import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { BaseEmbedding } from "@llamaindex/core/embeddings";
import { ClipEmbedding } from "clip-blip/llamaindex";
import { Document, ImageNode, Settings, VectorStoreIndex } from "llamaindex";
import { afterAll, test } from "vitest";
import { assertVectors, dataUrl, loadExpected, PICTURES, TEXTS } from "./support.js";

const expected = await loadExpected();
const { clip } = expected;
afterAll(() => clip.close());

test("is an embedding of LlamaIndex, for texts and pictures", async () => {
  const embedding = new ClipEmbedding(clip);
  assert.ok(embedding instanceof BaseEmbedding);
  assertVectors(await embedding.getTextEmbeddings(TEXTS), expected.texts);
  assertVectors(await embedding.getTextEmbeddingsBatch(TEXTS), expected.texts);
  assertVectors([await embedding.getTextEmbedding(TEXTS[0]!)], [expected.texts[0]!]);
  const [first, second, third] = PICTURES as [string, string, string];
  const images = [first, pathToFileURL(second), new Blob([readFileSync(third)])];
  assertVectors(await embedding.getImageEmbeddings(images), expected.pictures);
  assertVectors([await embedding.getImageEmbedding(first)], [expected.pictures[0]!]);
});

test("takes queries of words and of pictures", async () => {
  const embedding = new ClipEmbedding({ model: clip });
  assertVectors([await embedding.getQueryEmbedding({ type: "text", text: TEXTS[1]! })], [expected.texts[1]!]);
  const picture = { type: "image_url", image_url: { url: dataUrl(PICTURES[0]!) } } as const;
  assertVectors([await embedding.getQueryEmbedding(picture)], [expected.pictures[0]!]);
});

test("fills nodes of both kinds", async () => {
  const nodes = [
    new ImageNode({ image: PICTURES[1]! }),
    ...TEXTS.map((text) => new Document({ text })),
    new ImageNode({ image: PICTURES[0]! }),
  ];
  await new ClipEmbedding({ model: clip, embedBatchSize: 2 })(nodes);
  const { pictures, texts } = expected;
  assertVectors(
    nodes.map((node) => node.embedding),
    [pictures[1]!, ...texts, pictures[0]!],
  );
});

test("serves a VectorStoreIndex", async () => {
  await Settings.withEmbedModel(new ClipEmbedding({ model: clip }), async () => {
    const index = await VectorStoreIndex.fromDocuments(
      TEXTS.map((text, number) => new Document({ text, id_: `${number}` })),
    );
    const [best] = await index.asRetriever({ similarityTopK: 1 }).retrieve(TEXTS[2]!);
    assert.equal(best!.node.sourceNode?.nodeId, "2");
    assert.ok(best!.score! > 0.99);
  });
});
