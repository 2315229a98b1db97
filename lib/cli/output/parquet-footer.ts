import type { FileHandle } from "node:fs/promises";
import { type FileMetaData, parquetMetadata } from "hyparquet";
import { readRange } from "./file.js";

const MAGIC = Buffer.from("PAR1");
/** Bytes of a footer beside its metadata: their length, and the magic number. */
const TAIL_BYTES = 8;
const CHUNK_BYTES = 1 << 20;

/** The last whole footer of a Parquet file; what stands behind it was torn by the end of a process. */
export async function findFooter(
  file: FileHandle,
  size: number,
): Promise<{ metadata: FileMetaData; end: number } | undefined> {
  if (!(await readRange(file, 0, MAGIC.length)).equals(MAGIC)) return undefined;
  for (let to = size; to > MAGIC.length; to -= CHUNK_BYTES) {
    const from = Math.max(MAGIC.length, to - CHUNK_BYTES);
    // The chunks overlap, so that a magic number between two of them is seen.
    const chunk = await readRange(file, from, Math.min(size, to + MAGIC.length - 1));
    for (let at = chunk.lastIndexOf(MAGIC); at >= 0; at = at === 0 ? -1 : chunk.lastIndexOf(MAGIC, at - 1)) {
      const end = from + at + MAGIC.length;
      const metadata = await readFooter(file, end);
      if (metadata) return { metadata, end };
    }
  }
  return undefined;
}

/** The metadata of the footer that ends at `end`, where one does. */
async function readFooter(file: FileHandle, end: number): Promise<FileMetaData | undefined> {
  if (end < MAGIC.length + TAIL_BYTES) return undefined;
  const length = (await readRange(file, end - TAIL_BYTES, end)).readUInt32LE(0);
  if (length === 0 || length > end - TAIL_BYTES - MAGIC.length) return undefined;
  try {
    const bytes = new Uint8Array(await readRange(file, end - TAIL_BYTES - length, end));
    const metadata = parquetMetadata(bytes.buffer);
    return metadata.metadata_length === length ? metadata : undefined;
  } catch {
    return undefined;
  }
}
