// Measures what can hold the vectors of an index: node --import tsx test/bench/vector-stores.ts [count] [part]
// Parts: store (what the package does), lancedb (other indexes over the same table; needs store), sqlite-vec.
// sqlite-vec is measured too where it is there: npm install --no-save sqlite-vec @photostructure/sqlite@1
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, Index, type Table } from "@lancedb/lancedb";
import { Store } from "../../lib/search/store.js";
import { clipLike, DIMENSION } from "./clip-like.js";

const COUNT = Number(process.argv[2] ?? 100_000);
const QUERIES = 100;
const TOP = 10;

const folder = mkdtempSync(join(tmpdir(), "clip-blip-stores-"));
const { pictures, pictureQueries, textQueries } = clipLike(COUNT, QUERIES);
const kinds = { picture: pictureQueries, text: textQueries };
const truth = new Map([...pictureQueries, ...textQueries].map((query) => [query, nearestOf(query)]));

function nearestOf(query: Float32Array): Set<number> {
  const scores = pictures.map((picture, index) => {
    let dot = 0;
    for (let i = 0; i < DIMENSION; i++) dot += picture[i]! * query[i]!;
    return { index, dot };
  });
  scores.sort((one, other) => other.dot - one.dot);
  return new Set(scores.slice(0, TOP).map(({ index }) => index));
}

const seconds = async (work: () => unknown) => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
};
const megabytes = (path: string) => `${execFileSync("du", ["-sm", path]).toString().split("\t")[0]} MB`;

/** Prints the time of queries, and how many of the truly nearest they find. */
async function measure(name: string, search: (query: Float32Array) => unknown | Promise<unknown>): Promise<void> {
  const cells: string[] = [];
  for (const queries of Object.values(kinds)) {
    const times: number[] = [];
    let found = 0;
    const before = process.cpuUsage();
    for (const query of queries) {
      let rows: number[] = [];
      times.push(1000 * (await seconds(async () => (rows = (await search(query)) as number[]))));
      for (const row of rows) if (truth.get(query)!.has(row)) found += 1;
    }
    const { user, system } = process.cpuUsage(before);
    times.sort((a, b) => a - b);
    const at = (part: number) => times[Math.floor(part * times.length)]!.toFixed(1);
    // Time on cores tells what it takes where other programs run on them too.
    const cpu = ((user + system) / 1000 / QUERIES).toFixed(1);
    cells.push(`p50 ${at(0.5)} p99 ${at(0.99)} cpu ${cpu} ms, recall ${(found / QUERIES / TOP).toFixed(3)}`);
  }
  console.log(`${name.padEnd(34)} pictures: ${cells[0]}   texts: ${cells[1]}`);
}

const rowOf = (path: string) => Number.parseInt(path, 10);

async function measureStore(): Promise<void> {
  const path = join(folder, "store");
  const open = () => Store.open(path, { picture: pictures[0]! }, { replace: false, accepts: () => true });
  let store = await open();
  const build = await seconds(async () => {
    for (let start = 0; start < COUNT; start += 256) {
      const some = pictures.slice(start, start + 256);
      await store.put(
        some.map((vector, index) => ({
          path: `${start + index}.jpg`,
          size: 1,
          modified: 1,
          hash: `${start + index}`,
          vector,
        })),
      );
    }
  });
  const tidy = await seconds(() => store.tidy());
  const peak = process.memoryUsage().rss;
  console.log(`store: ${build.toFixed(1)} s for commits of 256, ${tidy.toFixed(1)} s to tidy, ${megabytes(path)}`);
  store.close();
  const cold = await seconds(async () => {
    store = await open();
    await store.nearest(textQueries[0]!, { limit: TOP });
  });
  console.log(
    `store: opened and asked in ${(1000 * cold).toFixed(0)} ms; RSS ${(peak / 1e6).toFixed(0)} MB with all vectors`,
  );
  const rows = (found: { path: string }[]) => found.map((one) => rowOf(one.path));
  await measure("store", async (query) => rows(await store.nearest(query, { limit: TOP })));
  await measure("store, an eighth", async (query) => rows(await store.nearest(query, { limit: TOP, share: 1 / 8 })));
  const known = await seconds(() => store.files());
  const near = await seconds(async () => {
    for (const vector of pictures.slice(0, 200))
      await store.nearest(vector, { limit: 10_000, atLeast: 0.97, share: 1 / 8 });
  });
  console.log(
    `store: all names in ${(1000 * known).toFixed(0)} ms; near-duplicates of one in ${(5 * near).toFixed(1)} ms`,
  );
  store.close();
}

async function measureLanceDb(): Promise<void> {
  const connection = await connect(join(folder, "store"));
  const table: Table = await connection.openTable("files");
  const distanceType = "cosine";
  for (const { name } of await table.listIndices()) await table.dropIndex(name);
  const search = (query: Float32Array) => table.vectorSearch(query).distanceType(distanceType).limit(TOP);
  const rowsOf = async (found: ReturnType<typeof search>) => {
    const rows: { path: string }[] = await found.select(["path", "_distance"]).toArray();
    return rows.map(({ path }) => rowOf(path));
  };
  await measure("LanceDB without an index", (query) => rowsOf(search(query)));
  const variants: [string, () => Index, nprobes: number, refineFactor?: number][] = [
    ["IVF_PQ, refined 20 times", () => Index.ivfPq({ distanceType }), 40, 20],
    ["IVF_RQ, refined 30 times", () => Index.ivfRq({ distanceType }), 40, 30],
    ["HNSW_SQ, refined 3 times", () => Index.hnswSq({ distanceType }), 1, 3],
  ];
  for (const [name, config, nprobes, refine] of variants) {
    const build = await seconds(() => table.createIndex("vector", { config: config(), replace: true }));
    await table.optimize({ cleanupOlderThan: new Date(), deleteUnverified: true });
    await table.optimize({ cleanupOlderThan: new Date(), deleteUnverified: true });
    console.log(`LanceDB ${name}: ${build.toFixed(1)} s to build, ${megabytes(join(folder, "store"))}`);
    await measure(`LanceDB ${name}`, (query) => {
      const probed = search(query).nprobes(nprobes);
      return rowsOf(refine ? probed.refineFactor(refine) : probed);
    });
  }
  connection.close();
}

/** The part of @photostructure/sqlite that is used here; it is not among the dependencies. */
interface Sqlite {
  DatabaseSync: new (
    path: string,
    options: object,
  ) => {
    enableLoadExtension(allowed: boolean): void;
    loadExtension(path: string): void;
    exec(sql: string): void;
    prepare(sql: string): { run(...values: unknown[]): void; all(...values: unknown[]): { id: number }[] };
  };
}

async function measureSqliteVec(): Promise<void> {
  const [binding, extension] = ["@photostructure/sqlite", "sqlite-vec"];
  const { DatabaseSync } = (await import(binding)) as Sqlite;
  const { getLoadablePath } = (await import(extension)) as { getLoadablePath(): string };
  const path = join(folder, "vectors.db");
  const db = new DatabaseSync(path, { allowExtension: true });
  db.enableLoadExtension(true);
  db.loadExtension(getLoadablePath());
  db.exec("PRAGMA journal_mode = wal; PRAGMA synchronous = normal; PRAGMA mmap_size = 1000000000");
  db.exec(
    `CREATE VIRTUAL TABLE exact USING vec0(id INTEGER PRIMARY KEY, v float[${DIMENSION}] distance_metric=cosine)`,
  );
  db.exec(`CREATE VIRTUAL TABLE bits USING vec0(id INTEGER PRIMARY KEY, v bit[${DIMENSION}])`);
  const bytes = (vector: Float32Array) => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
  const build = await seconds(() => {
    const statements = [
      db.prepare("INSERT INTO exact VALUES (?, ?)"),
      db.prepare("INSERT INTO bits VALUES (?, vec_quantize_binary(?))"),
    ];
    for (let start = 0; start < COUNT; start += 256) {
      db.exec("BEGIN");
      for (const [index, vector] of pictures.slice(start, start + 256).entries()) {
        for (const statement of statements) statement.run(BigInt(start + index), bytes(vector));
      }
      db.exec("COMMIT");
    }
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  });
  console.log(`sqlite-vec: ${build.toFixed(1)} s for commits of 256, ${megabytes(path)}`);
  const ids = (rows: { id: number }[]) => rows.map(({ id }) => Number(id));
  const exact = db.prepare(`SELECT id FROM exact WHERE v MATCH ? AND k = ${TOP}`);
  await measure("sqlite-vec, exact", (query) => ids(exact.all(bytes(query))));
  for (const candidates of [40, 100, 400]) {
    const rescored = db.prepare(
      `SELECT id FROM exact WHERE id IN (SELECT id FROM bits WHERE v MATCH vec_quantize_binary(?1) AND k = ${candidates}) ` +
        `ORDER BY vec_distance_cosine(v, ?1) LIMIT ${TOP}`,
    );
    await measure(`sqlite-vec, ${candidates} by bits`, (query) => ids(rescored.all(bytes(query))));
  }
}

const parts = { store: measureStore, lancedb: measureLanceDb, "sqlite-vec": measureSqliteVec };

try {
  for (const [name, run] of Object.entries(parts)) if ((process.argv[3] ?? name) === name) await run();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
