// Libraries that come in two builds have two of every class: an adapter has to be made of the one that its user has.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, test } from "vitest";
import { repositoryPath } from "../library/models.js";

// Inside the repository, so that the package finds itself under its own name.
const folder = repositoryPath("build/adapter-modules");
beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true }));

/** What a program prints that plain Node runs: the suite's own loader makes one kind of module of both. */
function run(name: string, program: string): string {
  const file = join(folder, name);
  writeFileSync(file, program);
  return execFileSync(process.execPath, [file], { encoding: "utf8" }).trim();
}

/** Stands in for a loaded model. */
const MODEL = `const model = {
  capabilities: () => ({ dimension: 2 }),
  encodeTexts: async (texts) => texts.map(() => Float32Array.of(1, 0)),
  encodeImages: async (images) => images.map(() => Float32Array.of(0, 1)),
};`;

/** The import statement or the call that binds `names` of a module. */
const take = { mjs: "import { NAMES } from 'MODULE';", cjs: "const { NAMES } = require('MODULE');" } as const;
const bind = (kind: "mjs" | "cjs", names: string, module: string) =>
  take[kind].replace("NAMES", names).replace("MODULE", module);

for (const kind of ["mjs", "cjs"] as const) {
  const how = kind === "mjs" ? "import" : "require";

  test(`with ${how}, clip-blip/langchain is of the caller's own LangChain`, () => {
    const printed = run(
      `langchain.${kind}`,
      `${bind(kind, "Embeddings", "@langchain/core/embeddings")}
       ${bind(kind, "ClipEmbeddings", "clip-blip/langchain")}
       ${MODEL}
       const embeddings = new ClipEmbeddings({ model });
       Promise.all([embeddings.embedQuery("a"), embeddings.embedImageQuery("b")]).then((vectors) =>
         console.log(embeddings instanceof Embeddings, embeddings.constructor.name, JSON.stringify(vectors)));`,
    );
    assert.equal(printed, "true ClipEmbeddings [[1,0],[0,1]]");
  });

  test(`with ${how}, clip-blip/llamaindex is of the caller's own LlamaIndex`, () => {
    const printed = run(
      `llamaindex.${kind}`,
      `${bind(kind, "MultiModalEmbedding", "@llamaindex/core/embeddings")}
       ${bind(kind, "ClipEmbedding", "clip-blip/llamaindex")}
       ${MODEL}
       const embedding = new ClipEmbedding({ model, embedBatchSize: 7 });
       Promise.all([embedding.getTextEmbeddings(["a"]), embedding.getImageEmbedding("b")]).then((vectors) =>
         console.log(embedding instanceof MultiModalEmbedding, embedding.embedBatchSize, JSON.stringify(vectors)));`,
    );
    assert.equal(printed, "true 7 [[[1,0]],[0,1]]");
  });

  test(`with ${how}, clip-blip/chroma is in the registry of the caller's own Chroma`, () => {
    const printed = run(
      `chroma.${kind}`,
      `${bind(kind, "knownEmbeddingFunctions", "chromadb")}
       ${bind(kind, "ClipEmbeddingFunction", "clip-blip/chroma")}
       console.log(knownEmbeddingFunctions.get("clip-blip") === ClipEmbeddingFunction);`,
    );
    assert.equal(printed, "true");
  });

  test(`with ${how}, clip-blip/lancedb is in the registry of the caller's own LanceDB`, () => {
    const printed = run(
      `lancedb.${kind}`,
      `${bind(kind, "EmbeddingFunction, getRegistry", "@lancedb/lancedb/embedding")}
       ${bind(kind, "ClipEmbeddingFunction", "clip-blip/lancedb")}
       const made = new ClipEmbeddingFunction();
       console.log(made instanceof EmbeddingFunction, !!getRegistry().get("clip-blip"));`,
    );
    assert.equal(printed, "true true");
  });

  test(`with ${how}, clip-blip/ai-sdk embeds`, () => {
    const printed = run(
      `ai-sdk.${kind}`,
      `${bind(kind, "clipEmbeddingModel", "clip-blip/ai-sdk")}
       ${MODEL}
       clipEmbeddingModel({ model }).doEmbed({ values: ["a"] }).then((result) => console.log(JSON.stringify(result.embeddings)));`,
    );
    assert.equal(printed, "[[1,0]]");
  });
}

test("both ways in one process: each is of its own build, and LanceDB knows the function once", () => {
  const printed = run(
    "both.mjs",
    `import { createRequire } from "node:module";
     import * as langchain from "clip-blip/langchain";
     import * as lancedb from "clip-blip/lancedb";
     import { Embeddings } from "@langchain/core/embeddings";
     const require = createRequire(import.meta.url);
     const required = require("clip-blip/langchain");
     const { prototype } = required.ClipEmbeddings;
     console.log(langchain.ClipEmbeddings.prototype instanceof Embeddings, prototype instanceof Embeddings,
       prototype instanceof require("@langchain/core/embeddings").Embeddings,
       require("clip-blip/lancedb").ClipEmbeddingFunction === lancedb.ClipEmbeddingFunction);`,
  );
  assert.equal(printed, "true false true true");
});

test("the types are of the caller's own libraries too", () => {
  const text = `
    import { Embeddings } from "@langchain/core/embeddings";
    import { MultiModalEmbedding } from "@llamaindex/core/embeddings";
    import type { EmbeddingFunction } from "chromadb";
    import { ClipEmbeddingFunction } from "clip-blip/chroma";
    import { ClipEmbeddings } from "clip-blip/langchain";
    import { ClipEmbedding } from "clip-blip/llamaindex";
    export const langchain: Embeddings = new ClipEmbeddings({ model: "demo" });
    export const llamaindex: MultiModalEmbedding = new ClipEmbedding({ model: "demo" });
    export const chroma: EmbeddingFunction = new ClipEmbeddingFunction({ model: "demo" });
    export const vectors: Promise<number[][]> = new ClipEmbeddings({ model: "demo" }).embedImages(["a.jpg"]);
    // @ts-expect-error: a number is no model
    new ClipEmbeddings({ model: 7 });
    // @ts-expect-error: a number is no text
    new ClipEmbedding({ model: "demo" }).getTextEmbedding(7);`;
  const files = ["types.mts", "types.cts"].map((name) => join(folder, name));
  for (const file of files) writeFileSync(file, text);
  const tsc = join(repositoryPath("node_modules/typescript"), "bin/tsc");
  const options = "--ignoreConfig --noEmit --strict --skipLibCheck --module nodenext --target es2022 --types node";
  const libraries = ["--lib", "es2022,esnext.disposable,dom"];
  const { status, stdout } = spawnSync(process.execPath, [tsc, ...options.split(" "), ...libraries, ...files], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout);
});

for (const adapter of ["chroma", "lancedb"]) {
  test(`a bundler keeps what clip-blip/${adapter} does when it is imported`, async () => {
    const { outputFiles } = await build({
      stdin: { contents: `import "clip-blip/${adapter}";`, resolveDir: folder },
      bundle: true,
      format: "esm",
      platform: "node",
      external: ["chromadb", "sharp", "@huggingface/*"],
      write: false,
      logLevel: "silent",
    });
    assert.match(outputFiles[0]!.text, /^register(EmbeddingFunction)?\(/m);
  });
}
