import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { ChromaClient, getEmbeddingFunction, knownEmbeddingFunctions, serializeEmbeddingFunction } from "chromadb";
import { ClipEmbeddingFunction } from "clip-blip/chroma";
import { afterAll, beforeAll, test } from "vitest";
import { assertVectors, LOAD, loadExpected, PICTURES, TEXTS } from "./support.js";

/** A server that keeps what the client sends: Chroma's own is not an npm package that runs everywhere. */
let server: Server;
let client: ChromaClient;
const received: { path: string; body: Record<string, unknown> }[] = [];
const expected = await loadExpected();

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const body = text ? JSON.parse(text) : {};
    const path = request.url!.split("/").at(-1)!;
    if (request.method === "POST") received.push({ path, body });
    const collection = {
      id: "1",
      name: "c",
      configuration_json: received[0]?.body.configuration ?? {},
      tenant: "t",
      database: "d",
    };
    const answers: Record<string, unknown> = {
      identity: { user_id: "u", tenant: "t", databases: ["d"] },
      "pre-flight-checks": { max_batch_size: 100, supports_base64_encoding: false },
      query: { ids: [["0"]], distances: [[0]], include: ["distances"] },
      add: {},
    };
    response.setHeader("content-type", "application/json").end(JSON.stringify(answers[path] ?? collection));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  client = new ChromaClient({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await expected.clip.close();
});

test("embeds what Chroma's client adds and asks", async () => {
  const embeddingFunction = new ClipEmbeddingFunction({ model: "demo", load: LOAD });
  const collection = await client.createCollection({ name: "c", embeddingFunction });
  await collection.add({ ids: ["0", "1", "2"], documents: TEXTS });
  await collection.add({ ids: ["3", "4", "5"], embeddings: await embeddingFunction.generateForImages(PICTURES) });
  await collection.query({ queryTexts: [TEXTS[2]!] });
  const of = (path: string) => received.filter((request) => request.path === path).map(({ body }) => body);
  const [texts, pictures] = of("add");
  assertVectors(texts!.embeddings, expected.texts);
  assertVectors(pictures!.embeddings, expected.pictures);
  assertVectors(of("query")[0]!.query_embeddings, [expected.texts[2]!]);
  const configuration = received[0]!.body.configuration as Record<string, unknown>;
  assert.deepEqual(configuration.embedding_function, {
    name: "clip-blip",
    type: "known",
    config: { model: "demo", load: LOAD },
  });
  assert.equal((configuration.hnsw as { space?: string })?.space, "cosine");
});

test("is made anew from what is stored with a collection", async () => {
  assert.ok(knownEmbeddingFunctions.has("clip-blip"));
  const efConfig = serializeEmbeddingFunction({
    embeddingFunction: new ClipEmbeddingFunction({ model: "demo", load: LOAD }),
  });
  const again = await getEmbeddingFunction({ client, collectionName: "c", efConfig } as never);
  assert.ok(again instanceof ClipEmbeddingFunction);
  assertVectors(await again.generate(TEXTS), expected.texts);
  const collection = await client.getCollection({ name: "c" });
  assertVectors(await collection.embeddingFunction!.generate([TEXTS[0]!]), [expected.texts[0]!]);
});

test("takes a loaded model, and no other model for its vectors", async () => {
  const loaded = new ClipEmbeddingFunction({ model: expected.clip });
  assertVectors(await loaded.generate(TEXTS), expected.texts);
  assert.deepEqual([loaded.defaultSpace(), loaded.getConfig()], ["cosine", {}]);
  assert.throws(() => ClipEmbeddingFunction.buildFromConfig({}), { code: "ERR_INVALID_ARGUMENT" });
  const named = new ClipEmbeddingFunction("demo");
  assert.equal(named.getConfig().model, "demo");
  named.validateConfigUpdate({ model: "demo" });
  assert.throws(() => named.validateConfigUpdate({ model: "other/clip" }), { code: "ERR_INVALID_ARGUMENT" });
});

test("stores the revision and the folder of its model", async () => {
  const models = fileURLToPath(new URL("../../models", import.meta.url));
  const load = { ...LOAD, subfolder: "demo-clip" };
  const stored = JSON.parse(JSON.stringify(new ClipEmbeddingFunction({ model: models, load }).getConfig()));
  assert.deepEqual(stored, { model: models, load });
  const again = ClipEmbeddingFunction.buildFromConfig(stored);
  assertVectors(await again.generate(TEXTS), expected.texts);
  again.validateConfigUpdate(stored);
  for (const change of [{ revision: "v1" }, { subfolder: "other" }]) {
    const config = { model: models, load: { ...load, ...change } };
    assert.throws(() => again.validateConfigUpdate(config), { code: "ERR_INVALID_ARGUMENT" });
    assert.deepEqual(JSON.parse(JSON.stringify(new ClipEmbeddingFunction(config).getConfig())), config);
  }
});
