import type { Table } from "@lancedb/lancedb";

/** From so many files on a search in the table itself is slower than in an index. */
const MIN_ROWS = 10_000;

/** Vectors that a search compares with the query: with 512 numbers each, about 15 ms on one core. */
const COMPARED = 131_072;

/** The index is made anew when the best number of partitions has grown by this factor. */
const OUTGROWN = 2;

const NAME = /^vector_ivf_(\d+)$/;

/**
 * Gives a table of files the index that suits its size, where it has none or has outgrown it.
 *
 * It is LanceDB's IVF_FLAT, which keeps the vectors themselves: a search through all of its partitions is exact, and
 * with 100,000 vectors it takes a sixth of the time of one in the table. Indexes over quantized vectors are faster still
 * and lose what matters: of the ten nearest for texts, which lie away from all pictures, they found 44 to 79 percent.
 * test/bench/vector-stores.md has the measurements.
 */
export async function fitVectorIndex({ Index }: typeof import("@lancedb/lancedb"), table: Table): Promise<void> {
  const rows = await table.countRows();
  if (rows < MIN_ROWS) return;
  const wanted = partitionsFor(rows);
  // The name says how many partitions there are: LanceDB does not tell.
  const present = (await table.listIndices()).map(({ name }) => name).filter((name) => NAME.test(name));
  if (present.some((name) => wanted <= OUTGROWN * Number(NAME.exec(name)![1]))) return;
  const config = Index.ivfFlat({ distanceType: "cosine", numPartitions: wanted });
  await table.createIndex("vector", { config, name: `vector_ivf_${wanted}` });
  for (const name of present) await table.dropIndex(name);
}

/**
 * How many partitions of a table with so many files a search looks at, the nearest first. More than there are is all.
 *
 * @param share of the vectors, from 0 to 1; default: so many that a search stays below 20 ms
 */
export function probesFor(rows: number, share = Math.min(1, COMPARED / rows)): number {
  // The index may have up to OUTGROWN times fewer or more.
  return Math.ceil(share * (share === 1 ? OUTGROWN : 1) * partitionsFor(rows));
}

/** A third as many partitions as there are vectors in each, at least 8. */
function partitionsFor(rows: number): number {
  return Math.max(8, Math.round(Math.sqrt(rows) / 3));
}
