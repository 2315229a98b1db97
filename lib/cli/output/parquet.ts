import type { FileHandle } from "node:fs/promises";
import { type FileMetaData, parquetMetadata, parquetReadObjects, type RowGroup, type SchemaElement } from "hyparquet";
import { ByteWriter, type ColumnSource, ParquetWriter } from "hyparquet-writer";
import { writeFully } from "../../common/files.js";
import { keyOf, type Outcome, subjectOf } from "../outcome.js";
import { FileWriter, foreign, openForUpdate, readRange } from "./file-writer.js";
import { assertSameRun, type Run } from "./run.js";

/** The column of the values. Every file also has the columns `input`, `text` and `error`. */
export interface ParquetValue<V extends object> {
  name: string;
  /** Type of the column: one element, or the three of a list. */
  schema: SchemaElement[];
  /** Do not compress the column, as it would not get smaller. */
  uncompressed?: boolean;
  of(value: V): unknown;
}

/** Rows of a row group: enough to read fast, few enough to hold in memory and to lose in a power failure. */
const GROUP_ROWS = 1024;
/** Maximum time after which the rows of a slow model are written. */
const FLUSH_MS = 300_000;
/** The key of the run in the file's metadata. */
const RUN_KEY = "clip-blip";

/**
 * Results as Apache Parquet: `input`, `text`, a column of values, and `error` ("CODE: message").
 *
 * Each row group is written after the footer of the previous one and followed by a new footer that lists all groups. So
 * whenever the process ends, the file up to its last whole footer is valid. Old footers remain as unused bytes, one for
 * each 1024 rows. Errors go to a last group of their own, which the next run leaves out of its footer in order to try
 * them again.
 */
export class ParquetFile<V extends object> extends FileWriter<V> {
  readonly done: ReadonlySet<string>;
  readonly #file: FileHandle;
  readonly #value: ParquetValue<V>;
  readonly #run: Run;
  #groups: RowGroup[];
  /** Where the last footer ends. */
  #end: number;
  #rows: Outcome<V>[] = [];
  #failures: Outcome<V>[] = [];
  #flushed = performance.now();

  private constructor(file: FileHandle, value: ParquetValue<V>, run: Run, before: Before) {
    super();
    this.#file = file;
    this.#value = value;
    this.#run = run;
    this.#groups = before.groups;
    this.#end = before.end;
    this.done = before.done;
  }

  /** Opens or creates a file. Results of an earlier run are kept, except errors, which are tried again. */
  static async open<V extends object>(path: string, value: ParquetValue<V>, run: Run): Promise<ParquetFile<V>> {
    const file = await openForUpdate(path);
    try {
      const before = await readBefore(file, path, schemaOf(value), run);
      await file.truncate(before.end);
      const writer = new ParquetFile(file, value, run, before);
      await writer.#writeGroup([]);
      return writer;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  protected override async append(outcome: Outcome<V>): Promise<void> {
    if ("error" in outcome) {
      this.#failures.push(outcome);
      return;
    }
    this.#rows.push(outcome);
    if (this.#rows.length < GROUP_ROWS && performance.now() - this.#flushed < FLUSH_MS) return;
    await this.#writeGroup(this.#rows.splice(0));
    this.#flushed = performance.now();
  }

  protected override async finish(): Promise<void> {
    if (this.#rows.length > 0) await this.#writeGroup(this.#rows);
    if (this.#failures.length > 0) await this.#writeGroup(this.#failures);
    await this.#file.close();
  }

  /** Writes a row group, if there are rows, and the footer for all groups. */
  async #writeGroup(rows: Outcome<V>[]): Promise<void> {
    const bytes = new ByteWriter();
    bytes.offset = this.#end;
    const parquet = new ParquetWriter({
      writer: bytes,
      schema: schemaOf(this.#value),
      statistics: false,
      kvMetadata: [{ key: RUN_KEY, value: JSON.stringify(this.#run) }],
      createdBy: "clip-blip",
    });
    parquet.row_groups = this.#groups;
    parquet.num_rows = this.#groups.reduce((sum, group) => sum + group.num_rows, 0n);
    if (rows.length > 0) parquet.write({ columnData: columnsOf(this.#value, rows), rowGroupSize: rows.length });
    parquet.finish();
    const written = bytes.getBytes();
    await writeFully(this.#file, written, this.#end);
    this.#end += written.length;
  }
}

/** What an earlier run left. */
interface Before {
  groups: RowGroup[];
  end: number;
  done: Set<string>;
}

async function readBefore(file: FileHandle, path: string, schema: SchemaElement[], run: Run): Promise<Before> {
  const { size } = await file.stat();
  if (size === 0) return { groups: [], end: 0, done: new Set() };
  const footer = await findFooter(file, size);
  const made = footer?.metadata.key_value_metadata?.find(({ key }) => key === RUN_KEY)?.value;
  if (!footer || made === undefined || !sameColumns(footer.metadata.schema, schema)) throw foreign(path, "Parquet");
  assertSameRun(path, JSON.parse(made), run, [path]);
  return { end: footer.end, ...(await readGroups(file, footer)) };
}

/** The row groups of results, and the keys of their subjects. Groups of errors are left out. */
async function readGroups(
  file: FileHandle,
  { metadata, end }: { metadata: FileMetaData; end: number },
): Promise<Pick<Before, "groups" | "done">> {
  const source = {
    byteLength: end,
    slice: async (from: number, to = end) => new Uint8Array(await readRange(file, from, to)).buffer,
  };
  const groups: RowGroup[] = [];
  const done = new Set<string>();
  for (const group of metadata.row_groups) {
    const one = { ...metadata, row_groups: [group], num_rows: group.num_rows };
    const rows = await parquetReadObjects({ file: source, metadata: one, columns: ["input", "text", "error"] });
    if (rows[0]?.error) continue;
    groups.push(group);
    for (const row of rows) done.add(keyOf(subjectOf(row)!));
  }
  return { groups, done };
}

function sameColumns(one: SchemaElement[], other: SchemaElement[]): boolean {
  return one.map(({ name }) => name).join() === other.map(({ name }) => name).join();
}

function schemaOf<V extends object>({ schema }: ParquetValue<V>): SchemaElement[] {
  const text = (name: string) =>
    ({ name, type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" }) satisfies SchemaElement;
  return [{ name: "root", num_children: 4 }, text("input"), text("text"), ...schema, text("error")];
}

function columnsOf<V extends object>({ name, uncompressed, of }: ParquetValue<V>, rows: Outcome<V>[]): ColumnSource[] {
  return [
    { name: "input", data: rows.map((row) => ("input" in row ? row.input : undefined)) },
    { name: "text", data: rows.map((row) => ("text" in row ? row.text : undefined)) },
    {
      name,
      data: rows.map((row) => ("error" in row ? undefined : of(row))),
      ...(uncompressed ? { codec: "UNCOMPRESSED", encoding: "PLAIN" } : {}),
    },
    {
      name: "error",
      data: rows.map((row) => ("error" in row ? `${row.error.code}: ${row.error.message}` : undefined)),
    },
  ];
}

const MAGIC = Buffer.from("PAR1");
/** Bytes of a footer after its metadata: the metadata's length, and the magic number. */
const TAIL_BYTES = 8;
const CHUNK_BYTES = 1 << 20;

/** The last whole footer of a Parquet file; anything after it was cut short when a process ended. */
async function findFooter(
  file: FileHandle,
  size: number,
): Promise<{ metadata: FileMetaData; end: number } | undefined> {
  if (!(await readRange(file, 0, MAGIC.length)).equals(MAGIC)) return undefined;
  for (let to = size; to > MAGIC.length; to -= CHUNK_BYTES) {
    const from = Math.max(MAGIC.length, to - CHUNK_BYTES);
    // The chunks overlap, so that a magic number on their boundary is found.
    const chunk = await readRange(file, from, Math.min(size, to + MAGIC.length - 1));
    for (let at = chunk.lastIndexOf(MAGIC); at >= 0; at = at === 0 ? -1 : chunk.lastIndexOf(MAGIC, at - 1)) {
      const end = from + at + MAGIC.length;
      const metadata = await readFooter(file, end);
      if (metadata) return { metadata, end };
    }
  }
  return undefined;
}

/** The metadata of the footer that ends at `end`; undefined if none does. */
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
