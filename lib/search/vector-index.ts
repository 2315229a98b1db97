import type { Table } from "@lancedb/lancedb";

/** Minimum number of files for which a search in an index is faster than in the table. */
const MIN_ROWS = 10_000;

/** Vectors that a search compares with the query. With 512 numbers each, that takes about 15 ms on one core. */
const COMPARED = 131_072;

/** The index is rebuilt when the best number of partitions has grown by more than this factor. */
const OUTGROWN = 2;

const NAME = /^vector_ivf_(\d+)$/;

/**
 * Creates the index of a table of files if it needs one, and rebuilds it if the table has outgrown it.
 *
 * It is LanceDB's IVF_FLAT, which keeps the vectors themselves: a search of all its partitions is exact, and with
 * 100,000 vectors takes a sixth of the time of a search in the table. Indexes of quantized vectors are faster still but
 * lose too much: of the ten nearest for texts, which lie far from all pictures, they found 44 to 79 percent.
 * test/bench/vector-stores.md has the measurements.
 */
export async function fitVectorIndex({ Index }: typeof import("@lancedb/lancedb"), table: Table): Promise<void> {
  const rows = await table.countRows();
  if (rows < MIN_ROWS) return;
  const wanted = partitionsFor(rows);
  // The number of partitions is in the name, because LanceDB does not report it.
  const present = (await table.listIndices()).map(({ name }) => name).filter((name) => NAME.test(name));
  if (present.some((name) => wanted <= OUTGROWN * Number(NAME.exec(name)![1]))) return;
  const config = Index.ivfFlat({ distanceType: "cosine", numPartitions: wanted });
  await table.createIndex("vector", { config, name: `vector_ivf_${wanted}` });
  for (const name of present) await table.dropIndex(name);
}

/**
 * The number of partitions that a search looks at, the nearest first. A number larger than there are means all.
 *
 * @param rows number of files in the table
 * @param share of the vectors, from 0 to 1; default: as many as keep a search below 20 ms
 */
export function probesFor(rows: number, share = Math.min(1, COMPARED / rows)): number {
  // The index may have up to OUTGROWN times fewer or more partitions.
  return Math.ceil(share * (share === 1 ? OUTGROWN : 1) * partitionsFor(rows));
}

/** The best number of partitions: a third of the number of vectors in each, but at least 8. */
function partitionsFor(rows: number): number {
  return Math.max(8, Math.round(Math.sqrt(rows) / 3));
}
