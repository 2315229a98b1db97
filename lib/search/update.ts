import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { ClipBlipError, type ErrorCode, isError } from "../common/errors.js";
import { orderedMap } from "../common/ordered-map.js";
import type { Progress } from "../engine/pipeline.js";
import { describe } from "../input/location.js";
import type { Changes } from "./changes.js";
import type { IndexableModel } from "./model.js";
import type { FileState, IndexedFile, UnreadableFile } from "./schema.js";
import type { Store } from "./store.js";

/** Options of `update` and `add`. */
export interface UpdateOptions {
  /** Stops the update, which rejects with `signal.reason`; what has been done stays. */
  signal?: AbortSignal | undefined;
  /** Called after each file that is new or has changed. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** A file that has no vector because it cannot be read as a picture, or a place that cannot be looked at. */
export interface FailedPicture {
  /** In the folder of the index; "." is that folder. Bytes of a name that are not UTF-8 are written as \\xNN. */
  path: string;
  /** Its message does not say the path. */
  error: ClipBlipError;
  /** false: it failed in an earlier update and has not changed since, so that it was not tried again. */
  tried: boolean;
}

/** What `update` found and did, as numbers of files. */
export interface UpdateResult {
  added: number;
  /** Files whose content has changed. */
  updated: number;
  /** Files with another name or folder, whose vectors were kept. */
  moved: number;
  removed: number;
  unchanged: number;
  failed: FailedPicture[];
}

/** Files in a commit. With fewer, committing would take longer than embedding on a GPU. */
const COMMIT_FILES = 256;
/** Maximum time between commits, for slow models. */
const COMMIT_MS = 5_000;
/** Number of files that are hashed at a time. */
const HASHES = 4;

/** Errors of a single picture, which do not affect the others. */
const PICTURE_ERRORS = ["ERR_IMAGE_NOT_FOUND", "ERR_IMAGE_DECODE", "ERR_IMAGE_TOO_LARGE", "ERR_OUT_OF_MEMORY"];

type FailedFile = FileState & { error: ClipBlipError };

/** What the index knows of a folder, by path. */
export interface Known {
  files: Map<string, IndexedFile>;
  unreadable: Map<string, UnreadableFile>;
}

/** One update of an index to the state of its folder. The caller holds the store's lock. */
export class Update {
  readonly #store: Store;
  readonly #model: IndexableModel;
  readonly #folder: string;
  readonly #known: Known;
  readonly #options: UpdateOptions;
  readonly #result: UpdateResult;
  readonly #changes: Changes;
  /** Number of files that are gone, by hash of the content. As many new files with that hash count as moved. */
  readonly #lost: Map<string, number>;
  /** Not committed yet. */
  readonly #embedded: (IndexedFile & { vector: Float32Array })[] = [];
  /** Not committed yet. */
  readonly #failed: FailedFile[] = [];
  /** Why contents could not be embedded, by hash. */
  readonly #errors = new Map<string, ClipBlipError>();
  #committed = performance.now();
  #completed = 0;

  constructor(
    context: { store: Store; model: IndexableModel; folder: string; known: Known; changes: Changes },
    options: UpdateOptions,
  ) {
    this.#store = context.store;
    this.#model = context.model;
    this.#folder = context.folder;
    this.#known = context.known;
    this.#changes = context.changes;
    this.#options = options;
    this.#result = resultWithout(context.changes);
    const { files } = context.known;
    this.#lost = countOf(context.changes.gone.flatMap((path) => files.get(path)?.hash ?? []));
  }

  async run(): Promise<UpdateResult> {
    const { changed, gone } = this.#changes;
    const copies: IndexedFile[] = [];
    try {
      await this.#embed(this.#withoutCopies(changed, copies));
      const left = await this.#copy(copies);
      await this.#embed(left);
    } finally {
      await this.#commit();
    }
    const { files } = this.#known;
    const lost = gone.filter((path) => files.has(path));
    await this.#store.remove(lost);
    await this.#store.removeUnreadable(gone.filter((path) => !files.has(path)));
    this.#result.removed = lost.length - this.#result.moved;
    return this.#result;
  }

  /** Hashes files. Yields those to embed; those whose content has a vector, or will have one, go to `copies`. */
  async *#withoutCopies(files: FileState[], copies: IndexedFile[]): AsyncGenerator<IndexedFile, void, undefined> {
    const { signal } = this.#options;
    const available = new Set([...this.#known.files.values()].map(({ hash }) => hash));
    const hash = (file: FileState) => hashFile(this.#folder, file, signal);
    for await (const file of orderedMap(files, () => HASHES, hash)) {
      signal?.throwIfAborted();
      if ("error" in file) this.#fail(file, file.error);
      else if (available.has(file.hash)) copies.push(file);
      else {
        available.add(file.hash);
        yield file;
      }
    }
  }

  async #embed(files: Iterable<IndexedFile> | AsyncIterable<IndexedFile>): Promise<void> {
    const folder = this.#folder;
    // The stream yields its results in the order of its inputs.
    const waiting: IndexedFile[] = [];
    const paths = async function* () {
      for await (const file of files) {
        waiting.push(file);
        yield join(folder, file.path);
      }
    };
    for await (const item of this.#model.encodeImageStream(paths(), { signal: this.#options.signal })) {
      const file = waiting.shift()!;
      if ("error" in item) {
        if (!PICTURE_ERRORS.includes(item.error.code)) throw item.error;
        const error = withoutPath(item.error, join(folder, file.path));
        this.#errors.set(file.hash, error);
        this.#fail(file, error);
      } else {
        this.#take(file, item.embedding);
      }
      const due = this.#embedded.length + this.#failed.length >= COMMIT_FILES;
      if (due || performance.now() - this.#committed > COMMIT_MS) await this.#commit();
    }
  }

  /** Gives files the vectors that the index has for their content. Returns those whose vector is gone by now. */
  async #copy(copies: IndexedFile[]): Promise<IndexedFile[]> {
    const left: IndexedFile[] = [];
    for (let start = 0; start < copies.length; start += COMMIT_FILES) {
      await this.#commit();
      this.#options.signal?.throwIfAborted();
      const some = copies.slice(start, start + COMMIT_FILES);
      const vectors = await this.#store.vectorsOf([...new Set(some.map(({ hash }) => hash))]);
      for (const file of some) {
        const [vector, error] = [vectors.get(file.hash), this.#errors.get(file.hash)];
        if (vector) this.#take(file, vector);
        else if (error) this.#fail(file, error);
        else left.push(file);
      }
    }
    return left;
  }

  #take(file: IndexedFile, vector: Float32Array): void {
    this.#embedded.push({ ...file, vector });
    this.#step();
  }

  #fail({ path, size, modified }: FileState, error: ClipBlipError): void {
    this.#failed.push({ path, size, modified, error });
    this.#step();
  }

  #step(): void {
    this.#completed += 1;
    this.#options.onProgress?.({ completed: this.#completed, total: this.#changes.changed.length });
  }

  /** Writes the files that have been embedded or have failed since the last commit. */
  async #commit(): Promise<void> {
    const { files, unreadable } = this.#known;
    const [embedded, failed] = [this.#embedded.splice(0), this.#failed.splice(0)];
    await this.#store.put(embedded);
    await this.#store.removeUnreadable(embedded.map(({ path }) => path).filter((path) => unreadable.has(path)));
    // The vectors of their old content are no longer valid.
    await this.#store.remove(failed.map(({ path }) => path).filter((path) => files.has(path)));
    const lasting = failed.filter(({ error }) => isLasting(error));
    await this.#store.putUnreadable(
      lasting.map(({ path, size, modified, error: { code, message } }) => ({ path, size, modified, code, message })),
    );
    for (const file of embedded) this.#result[this.#kindOf(file)] += 1;
    this.#result.failed.push(...failed.map(({ path, error }) => ({ path, error, tried: true })));
    this.#committed = performance.now();
  }

  #kindOf({ path, hash }: IndexedFile): "added" | "updated" | "moved" | "unchanged" {
    const before = this.#known.files.get(path);
    if (before) return before.hash === hash ? "unchanged" : "updated";
    const lost = this.#lost.get(hash) ?? 0;
    this.#lost.set(hash, lost - 1);
    return lost > 0 ? "moved" : "added";
  }
}

/** A result before any change is made. */
export function resultWithout({ unchanged, unreadable, lost }: Changes): UpdateResult {
  const failed = [
    ...lost.map(({ path, error }) => ({ path, error, tried: true })),
    ...unreadable.map(({ path, code, message }) => ({
      path,
      error: new ClipBlipError(code as ErrorCode, message),
      tried: false,
    })),
  ];
  return { added: 0, updated: 0, moved: 0, removed: 0, unchanged, failed };
}

/** A file with the hash of its content, or the error if it cannot be read. */
async function hashFile(folder: string, file: FileState, signal?: AbortSignal): Promise<IndexedFile | FailedFile> {
  const hash = createHash("sha256");
  // Opening must not wait: a named pipe may have taken the file's place.
  const flags = (constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)) as unknown as string;
  try {
    await pipeline(createReadStream(join(folder, file.path), { flags }), hash, { signal });
    return { ...file, hash: hash.digest("hex") };
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const sentence = `The file cannot be read (${code ?? message}); check its permissions.`;
    return { ...file, error: new ClipBlipError("ERR_IMAGE_DECODE", sentence, { cause }) };
  }
}

/** The error of a picture without its path: the index keeps it, and the file may move. It begins with the file's name. */
function withoutPath(error: ClipBlipError, path: string): ClipBlipError {
  const { message } = error;
  const name = [describe({ kind: "file", path }), path].find((one) => message.startsWith(one));
  if (name === undefined) return error;
  return new ClipBlipError(error.code, `The file${message.slice(name.length)}`, { cause: error.cause });
}

/** Whether an error lasts until the file changes. Errors of the disk or network do not. */
function isLasting({ code, cause }: ClipBlipError): boolean {
  const system = isError(cause) && "syscall" in cause;
  return (code === "ERR_IMAGE_DECODE" || code === "ERR_IMAGE_TOO_LARGE") && !system;
}

function countOf(values: string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
