import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "vitest";
import { cosineSimilarity } from "../../lib/models/clip/similarity.js";
import { Store } from "../../lib/search/store.js";
import { vectorOf } from "./support.js";

const ROWS = 12_000;

let folder: string;
let store: Store;
const rowsFrom = (start: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({
    path: `${start + index}.jpg`,
    size: 1,
    modified: 2,
    hash: `${start + index}`,
    vector: vectorOf(`${start + index}`),
  }));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "clip-blip-store-"));
  store = await Store.open(folder, { picture: vectorOf("") }, { replace: false, accepts: () => true });
  for (let start = 0; start < ROWS; start += 4000) await store.put(rowsFrom(start, 4000));
});
afterAll(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("a large index", () => {
  const queries = Array.from({ length: 20 }, (_, index) => vectorOf(`query ${index}`));

  test("finds in its partitions what a search of the table finds, best first", async () => {
    const search = (query: Float32Array) => store.nearest(query, { limit: 10 });
    const before = await Promise.all(queries.map(search));
    const vectors = rowsFrom(0, ROWS).map(({ vector }) => vector);
    await store.tidy();
    for (const [index, query] of queries.entries()) {
      const after = await search(query);
      assert.deepEqual(
        after.map(({ path }) => path),
        before[index]!.map(({ path }) => path),
      );
      const truth = vectors.map((vector) => cosineSimilarity(vector, query));
      truth.sort((a, b) => b - a);
      for (const [rank, { score }] of after.entries()) assert.ok(Math.abs(score - truth[rank]!) < 1e-5);
    }
  });

  test("looks at a share of them when told to, where near ones are", async () => {
    let same = 0;
    for (const query of queries) {
      const [all, some] = [1, 1 / 8].map((share) => store.nearest(query, { limit: 10, share }));
      const found = new Set((await some!).map(({ path }) => path));
      for (const { path } of await all!) if (found.has(path)) same += 1;
    }
    assert.ok(same > 40 && same < 200, String(same));
    const other = vectorOf("other");
    for (let row = 0; row < ROWS; row += 500) {
      const near = vectorOf(String(row)).map((value, index) => value + 0.03 * other[index]!);
      assert.equal((await store.nearest(near, { limit: 1, share: 1 / 8, atLeast: 0.99 }))[0]!.path, `${row}.jpg`);
    }
  });

  test("finds at once what came after the partitions were made, and no more what is gone", async () => {
    await store.put(rowsFrom(ROWS, 10));
    const vector = vectorOf(String(ROWS + 3));
    assert.equal((await store.nearest(vector, { limit: 1 }))[0]!.path, `${ROWS + 3}.jpg`);
    await store.tidy();
    assert.equal((await store.nearest(vector, { limit: 1 }))[0]!.path, `${ROWS + 3}.jpg`);
    await store.remove([`${ROWS + 3}.jpg`, "5.jpg"]);
    for (const gone of [ROWS + 3, 5]) {
      assert.ok((await store.nearest(vectorOf(String(gone)), { limit: 1 }))[0]!.score < 0.999);
    }
    assert.equal(await store.count(), ROWS + 8);
  });

  test("gets more partitions when it has grown", async () => {
    for (let start = 20_000; start < 40_000; start += 5000) await store.put(rowsFrom(start, 5000));
    await store.tidy();
    for (const index of [7, 20_000, 39_999]) {
      assert.equal((await store.nearest(vectorOf(String(index)), { limit: 1 }))[0]!.path, `${index}.jpg`);
    }
  });
});
