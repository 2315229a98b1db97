import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
