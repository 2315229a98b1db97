import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Connection, Table } from "@lancedb/lancedb";
import type { Schema } from "apache-arrow";
import { ClipBlipError } from "../common/errors.js";
import { withLock } from "../common/lock.js";
import { importPeer } from "../common/peer.js";
import { brief } from "../common/quote.js";
import type { ModelIdentity } from "./model.js";
import {
  type FileState,
  filesSchema,
  type IndexedFile,
  modelOf,
  type UnreadableFile,
  unreadableSchema,
} from "./schema.js";
import { fitVectorIndex, probesFor } from "./vector-index.js";

type LanceDb = typeof import("@lancedb/lancedb");

const FILES = "files";
const UNREADABLE = "unreadable";
/** Number of paths or hashes in a statement. */
const LIST_LENGTH = 500;
/** Maximum number of tries of a read. */
const READS = 3;

/** A file near a vector. */
export interface Neighbour {
  path: string;
  /** Cosine similarity, from -1 to 1. */
  score: number;
}

/** Options of `nearest`. */
export interface NearestOptions {
  limit: number;
  /** Only neighbours of at least this cosine similarity. */
  atLeast?: number | undefined;
  /** Share of the vectors that are compared, those in the nearest clusters; default: as in `probesFor`. */
  share?: number | undefined;
}

/**
 * The tables of an index, in LanceDB: `files` with their vectors, and `unreadable`. Every change is an atomic commit,
 * keyed by path, so that whenever a process ends each file is there once or not at all. Readers see the last commit of
 * any process; writers hold a lock.
 */
export class Store {
  readonly #lancedb: LanceDb;
  readonly #connection: Connection;
  readonly #path: string;
  readonly #files: Table;
  readonly #unreadable: Table;
  /** Number of files at the last change by this process; only the order of magnitude matters. */
  #rows: number | undefined;

  private constructor(lancedb: LanceDb, connection: Connection, path: string, files: Table, unreadable: Table) {
    this.#lancedb = lancedb;
    this.#connection = connection;
    this.#path = path;
    this.#files = files;
    this.#unreadable = unreadable;
  }

  /**
   * Opens the tables at `path`, or creates them for vectors of `model`.
   *
   * @param replace whether tables of another model may be deleted
   * @param accepts whether the tables of a model can be used; it may throw instead
   */
  static async open(
    path: string,
    model: ModelIdentity,
    { replace, accepts, signal }: { replace: boolean; accepts: (made: ModelIdentity) => boolean; signal?: AbortSignal },
  ): Promise<Store> {
    const lancedb = await importPeer(() => import("@lancedb/lancedb"), "@lancedb/lancedb", "clip-blip/search");
    const arrow = await importPeer(() => import("apache-arrow"), "apache-arrow", "clip-blip/search");
    await makeFolder(path);
    // Each read asks for the newest version, because another process may have written one.
    const connection = await lancedb.connect(path, { readConsistencyInterval: 0 });
    const openOrMake = async () => {
      const made = await openTable(connection, FILES);
      const identity = made && modelOf(await made.schema());
      if (made && !identity && !replace) throw foreign(path);
      const usable = identity !== undefined && (accepts(identity) || !replace);
      const files = usable ? made! : await makeTable(connection, FILES, filesSchema(arrow, model));
      const old = usable ? await openTable(connection, UNREADABLE) : undefined;
      const unreadable = old ?? (await makeTable(connection, UNREADABLE, unreadableSchema(arrow)));
      return new Store(lancedb, connection, path, files, unreadable);
    };
    const [files, unreadable] = [await openTable(connection, FILES), await openTable(connection, UNREADABLE)];
    const identity = files && modelOf(await files.schema());
    if (files && unreadable && identity && accepts(identity)) {
      return new Store(lancedb, connection, path, files, unreadable);
    }
    return withLock(lockPath(path), openOrMake, { signal });
  }

  /** Runs `task` as the only writer among all processes. */
  exclusively<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return withLock(lockPath(this.#path), task, { signal });
  }

  count(): Promise<number> {
    return reading(() => this.#files.countRows());
  }

  /** All files, by path. */
  async files(): Promise<Map<string, IndexedFile>> {
    return this.#all<IndexedFile>(this.#files, ["path", "size", "modified", "hash"]);
  }

  /** All files that cannot be read as pictures, by path. */
  async unreadable(): Promise<Map<string, UnreadableFile>> {
    return this.#all<UnreadableFile>(this.#unreadable, ["path", "size", "modified", "code", "message"]);
  }

  /** Adds files, or replaces those with the same paths. */
  async put(files: (IndexedFile & { vector: Float32Array })[]): Promise<void> {
    await this.#upsert(this.#files, files);
  }

  async putUnreadable(files: UnreadableFile[]): Promise<void> {
    await this.#upsert(this.#unreadable, files);
  }

  async remove(paths: string[]): Promise<void> {
    for (const list of listsOf(paths)) await this.#files.delete(`path IN (${list})`);
  }

  async removeUnreadable(paths: string[]): Promise<void> {
    for (const list of listsOf(paths)) await this.#unreadable.delete(`path IN (${list})`);
  }

  /** The vectors of the given contents, as far as the index has them, by hash. */
  async vectorsOf(hashes: string[]): Promise<Map<string, Float32Array>> {
    const vectors = new Map<string, Float32Array>();
    for (const list of listsOf(hashes)) {
      const query = () => this.#files.query().where(`hash IN (${list})`).select(["hash", "vector"]).toArray();
      for (const { hash, vector } of await reading(query)) vectors.set(hash, Float32Array.from(vector));
    }
    return vectors;
  }

  /** All files with their vectors. They are read in parts, so that a slow reader does not keep an old version alive. */
  async *vectors(): AsyncGenerator<{ path: string; vector: Float32Array }, void, undefined> {
    for (const list of listsOf([...(await this.files()).keys()])) {
      const query = () => this.#files.query().where(`path IN (${list})`).select(["path", "vector"]).toArray();
      for (const { path, vector } of await reading(query)) yield { path, vector: Float32Array.from(vector) };
    }
  }

  /** The files whose vectors are nearest, best first. */
  async nearest(vector: Float32Array, { limit, atLeast, share }: NearestOptions): Promise<Neighbour[]> {
    this.#rows ??= await this.count();
    const probes = probesFor(this.#rows, share);
    const rows: { path: string; _distance: number }[] = await reading(() => {
      const query = this.#files.vectorSearch(vector).distanceType("cosine").limit(limit).nprobes(probes);
      // The upper bound is exclusive, and distances are rounded.
      if (atLeast !== undefined) query.distanceRange(undefined, 1 - atLeast + 1e-6);
      return query.select(["path", "_distance"]).toArray();
    });
    return rows.map(({ path, _distance }) => ({ path, score: Math.min(1, 1 - _distance) }));
  }

  /** Compacts the tables and updates the index after changes. */
  async tidy(): Promise<void> {
    await this.#files.optimize();
    await fitVectorIndex(this.#lancedb, this.#files);
    // Readers of an old version try again: see `reading`.
    for (const table of [this.#files, this.#unreadable]) {
      await table.optimize({ cleanupOlderThan: new Date(), deleteUnverified: true });
    }
    this.#rows = undefined;
  }

  close(): void {
    this.#files.close();
    this.#unreadable.close();
    this.#connection.close();
  }

  async #all<F extends FileState>(table: Table, columns: string[]): Promise<Map<string, F>> {
    const found = await reading(() => table.query().select(columns).toArrow());
    const vectors = columns.map((name) => [name, found.getChild(name)!] as const);
    const all = new Map<string, F>();
    // Column by column, because Arrow's own objects for rows take ten times as long.
    for (let row = 0; row < found.numRows; row++) {
      const file = Object.fromEntries(vectors.map(([name, values]) => [name, values.get(row)])) as unknown as F;
      all.set(file.path, file);
    }
    return all;
  }

  async #upsert(table: Table, rows: object[]): Promise<void> {
    if (rows.length === 0) return;
    const data = this.#lancedb.makeArrowTable(rows as Record<string, unknown>[], { schema: await table.schema() });
    await table.mergeInsert("path").whenMatchedUpdateAll().whenNotMatchedInsertAll().execute(data);
  }
}

function lockPath(path: string): string {
  return join(path, "lock");
}

/** A table; undefined if there is none, or if its creation was interrupted. */
async function openTable(connection: Connection, name: string): Promise<Table | undefined> {
  try {
    return await connection.openTable(name);
  } catch (error) {
    if (/not found/i.test((error as Error).message)) return undefined;
    throw error;
  }
}

/** Reads from a table, and tries again if a writer deletes the version that is being read. */
async function reading<T>(read: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await read();
    } catch (error) {
      if (attempt === READS || !/not found|no such file/i.test((error as Error).message)) throw error;
    }
  }
}

/** Creates a table, replacing an old one. */
async function makeTable(connection: Connection, name: string, schema: Schema): Promise<Table> {
  const names = await connection.tableNames();
  return connection.createEmptyTable(name, schema, { mode: names.includes(name) ? "overwrite" : "create" });
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    const message = `The folder ${brief(path)} cannot be used for an index (${(cause as NodeJS.ErrnoException).code}): choose another path`;
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", message, { cause });
  }
}

/** Values as lists in SQL. */
function* listsOf(values: string[]): Generator<string> {
  for (let start = 0; start < values.length; start += LIST_LENGTH) {
    const some = values.slice(start, start + LIST_LENGTH);
    yield some.map((value) => `'${value.replaceAll("'", "''")}'`).join(", ");
  }
}

function foreign(path: string): ClipBlipError {
  return new ClipBlipError(
    "ERR_INVALID_ARGUMENT",
    `The index ${brief(path)} was not made by this version of clip-blip: pass rebuild: true to create it again, or another path`,
  );
}
