import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect, type VectorQuery } from "@lancedb/lancedb";
import { getRegistry, LanceSchema } from "@lancedb/lancedb/embedding";
import { Binary, Utf8 } from "apache-arrow";
import { ClipEmbeddingFunction } from "clip-blip/lancedb";
import { afterAll, beforeAll, test } from "vitest";
import { assertVectors, LOAD, loadExpected, PICTURES, TEXTS } from "./support.js";

let folder: string;
const expected = await loadExpected();
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "clip-blip-lancedb-"));
});
afterAll(async () => {
  await expected.clip.close();
  rmSync(folder, { recursive: true, force: true });
});

const create = async (options: object) => {
  const made = await getRegistry()
    .get<ClipEmbeddingFunction>("clip-blip")!
    .create({ ...LOAD, ...options });
  assert.ok(made instanceof ClipEmbeddingFunction);
  return made;
};

test("is registered, and knows its dimension", async () => {
  const made = await create({});
  assert.equal(made.ndims(), expected.clip.capabilities().dimension);
  assert.deepEqual(made.toJSON(), LOAD);
});

test("a table of pictures embeds its rows and answers words, also when it is opened again", async () => {
  const images = await create({ source: "images" });
  const schema = LanceSchema({
    name: new Utf8(),
    bytes: images.sourceField(new Binary()),
    vector: images.vectorField(),
  });
  const connection = await connect(folder);
  const rows = PICTURES.map((path, index) => ({ name: `${index}`, bytes: readFileSync(path) }));
  const made = await connection.createTable("pictures", rows, { schema });
  const stored = await made.query().select(["vector"]).toArray();
  assertVectors(
    stored.map(({ vector }) => [...vector]),
    expected.pictures,
  );
  const table = await connection.openTable("pictures");
  await table.add([{ name: "again", bytes: readFileSync(PICTURES[0]!) }]);
  assert.equal(await table.countRows(), 4);
  const [best] = await (table.search(TEXTS[0]!, "vector") as VectorQuery).distanceType("cosine").limit(1).toArray();
  const cosines = expected.pictures.map((picture) =>
    picture.reduce((sum, x, i) => sum + x * expected.texts[0]![i]!, 0),
  );
  assert.ok(Math.abs(1 - best._distance - Math.max(...cosines)) < 1e-5);
  const query = await images.computeQueryEmbeddings(readFileSync(PICTURES[1]!));
  const [same] = await table.search(Float32Array.from(query)).limit(1).toArray();
  assert.equal(same.name, "1");
});

test("a model in a folder", async () => {
  const made = await create({ model: fileURLToPath(new URL("../../models", import.meta.url)), subfolder: "demo-clip" });
  assert.equal(made.ndims(), expected.clip.capabilities().dimension);
  await assert.rejects(create({ model: "demo", revision: "v1" }), { code: "ERR_INVALID_ARGUMENT" });
});

test("a table of texts", async () => {
  const texts = await create({ source: "texts" });
  const schema = LanceSchema({ text: texts.sourceField(new Utf8()), vector: texts.vectorField() });
  const connection = await connect(folder);
  const table = await connection.createTable(
    "texts",
    TEXTS.map((text) => ({ text })),
    { schema },
  );
  const [best] = await table.search(TEXTS[1]!, "vector").limit(1).toArray();
  assert.equal(best.text, TEXTS[1]);
});

test("a row without a picture or a text has no vector, and the others have theirs", async () => {
  const connection = await connect(folder);
  const images = await create({ source: "images" });
  const schema = LanceSchema({
    name: new Utf8(),
    bytes: images.sourceField(new Binary()),
    vector: images.vectorField(),
  });
  const [first, second] = PICTURES.map((path) => readFileSync(path));
  const rows = [{ name: "0", bytes: first }];
  const table = await connection.createTable("gaps", rows, { schema });
  await table.add([
    { name: "1", bytes: null },
    { name: "2", bytes: second },
    { name: "3", bytes: null },
  ]);
  const stored = (await table.query().select(["name", "vector"]).toArray()).sort((a, b) => a.name - b.name);
  assert.deepEqual(
    stored.map(({ vector }) => vector === null),
    [false, true, false, true],
  );
  assertVectors([[...stored[0]!.vector], [...stored[2]!.vector]], expected.pictures.slice(0, 2));
  const broken = table.add([
    { name: "4", bytes: null },
    { name: "5", bytes: second },
    { name: "6", bytes: Buffer.from("no picture") },
  ]);
  await assert.rejects(broken, /\(item 2\)/);
  assert.equal(await table.countRows(), 4);

  const texts = await create({ source: "texts" });
  const worded = LanceSchema({ text: texts.sourceField(new Utf8()), vector: texts.vectorField() });
  const sentences = await connection.createTable("gapped-texts", [{ text: TEXTS[0]! }], { schema: worded });
  await sentences.add([{ text: null }, { text: TEXTS[1] }]);
  const vectors = (await sentences.query().toArray()).filter(({ text }) => text !== null);
  assertVectors(
    vectors.map(({ vector }) => [...vector]),
    expected.texts.slice(0, 2),
  );
  assert.equal(await sentences.countRows(), 3);
});
