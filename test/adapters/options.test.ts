// The options of the adapters, which no framework checks.
import assert from "node:assert/strict";
import type { ClipModel } from "clip-blip";
import { clipEmbeddingModel } from "clip-blip/ai-sdk";
import { ClipEmbeddingFunction as ChromaFunction } from "clip-blip/chroma";
import { ClipEmbeddingFunction as LanceFunction } from "clip-blip/lancedb";
import { ClipEmbeddings } from "clip-blip/langchain";
import { ClipEmbedding } from "clip-blip/llamaindex";
import { describe, test } from "vitest";

/** Never called. */
const model = {
  encodeTexts: async () => [],
  encodeImages: async () => [],
  capabilities: () => ({}),
} as never as ClipModel;

const make: Record<string, (options: never) => unknown> = {
  langchain: (options) => new ClipEmbeddings(options),
  llamaindex: (options) => new ClipEmbedding(options),
  chroma: (options) => new ChromaFunction(options),
  "ai-sdk": (options) => clipEmbeddingModel(options),
};

for (const [name, construct] of Object.entries(make)) {
  describe(name, () => {
    for (const [options, message] of [
      [{ model, allow_remote: true }, /^Unknown option options\.allow_remote: did you mean allowRemote\?/],
      [{ model, allowRemote: "yes" }, /^Expected a boolean for options\.allowRemote/],
      [
        { model: "demo", load: { torch_dtype: "float16" } },
        /^Unknown option options\.load\.torch_dtype: did you mean dtype\?/,
      ],
      [{ model: "demo", load: { memoryFraction: Number.NaN } }, /for options\.load\.memoryFraction but received NaN/],
      [{ models: "demo" }, /^Unknown option options\.models: did you mean model\?/],
      [undefined, /^Expected an object for options but received undefined/],
    ] as const) {
      test(`refuses ${JSON.stringify(options)}`, () => {
        assert.throws(() => construct(options as never), { code: "ERR_INVALID_ARGUMENT", message });
      });
    }
  });
}

test("each has its framework's own options", () => {
  assert.ok(new ClipEmbeddings({ model, maxRetries: 1, maxConcurrency: 2 }));
  assert.equal(new ClipEmbedding({ model, embedBatchSize: 3 }).embedBatchSize, 3);
  for (const embedBatchSize of [0, Number.NaN, 1.5]) {
    assert.throws(() => new ClipEmbedding({ model, embedBatchSize }), { code: "ERR_INVALID_ARGUMENT" });
  }
  assert.throws(() => clipEmbeddingModel({ model, specificationVersion: "v5" as "v4" }), {
    code: "ERR_INVALID_ARGUMENT",
  });
  assert.throws(() => new LanceFunction({ source: "image" as "images" }), { message: /for options\.source/ });
  assert.throws(() => new LanceFunction({ data_type: "x" } as never), {
    message: /^Unknown option options\.data_type/,
  });
});

test("ai-sdk embeds no picture as words", async () => {
  const embedder = clipEmbeddingModel({ model });
  for (const value of ["https://example.org/a.jpg", "iVBORw0KGgoAAAANSUhEUg"]) {
    await assert.rejects(Promise.resolve(embedder.doEmbed({ values: ["a", value] })), {
      code: "ERR_INVALID_ARGUMENT",
      message: /^values\[1\] is .*picture.*: give a data: URL of the picture$/,
      index: 1,
    });
  }
});
