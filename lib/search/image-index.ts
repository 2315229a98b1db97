import { stat } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { asyncDispose } from "../common/dispose.js";
import { ClipBlipError } from "../common/errors.js";
import { orderedMap } from "../common/ordered-map.js";
import { brief } from "../common/quote.js";
import {
  assertArray,
  assertBoolean,
  assertFunction,
  assertInteger,
  assertNumber,
  assertOptions,
  assertSignal,
  assertStrings,
  invalidArgument,
} from "../common/validate.js";
import type { Progress } from "../engine/pipeline.js";
import type { ImageInput } from "../input/types.js";
import { type Changes, findChanges, statesOf } from "./changes.js";
import { type IndexableModel, identify, isSameModel, type ModelIdentity } from "./model.js";
import { Store } from "./store.js";
import { type Known, resultWithout, Update, type UpdateOptions, type UpdateResult } from "./update.js";

/** Options of `ImageIndex.open`. */
export interface ImageIndexOptions {
  /** Embeds pictures and queries; the caller closes it. */
  model: IndexableModel;
  /** Name of the model in error messages, such as a hub id; stored in a new index. */
  modelName?: string | undefined;
  /** Folder of the index. Default: beside the pictures, `<folder>.clip-blip`. */
  path?: string | undefined;
  /** Replace an index that was made with another model. Default false, which rejects instead. */
  rebuild?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** Options of `searchText` and `searchImage`. */
export interface SearchOptions {
  /** Maximum number of results. Default 10. */
  top?: number | undefined;
  /**
   * Compare with every picture. Default false: of more than 131,072 pictures, about that many are compared, those in
   * the clusters nearest to the query.
   */
  exact?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** A picture that was found. */
export interface SearchResult {
  /** The folder as given to `open`, joined with the path of the file in it. */
  path: string;
  /**
   * Cosine similarity to the query, from -1 to 1. Between text and picture it is rarely above 0.35 with CLIP models.
   */
  score: number;
}

/** Options of `duplicates`. */
export interface DuplicatesOptions {
  /** Minimum cosine similarity of duplicates, above 0 and at most 1. Default 0.97. */
  threshold?: number | undefined;
  /**
   * Compare every picture with every other. Default false: with 10,000 pictures or more, each is compared with an
   * eighth of the others, those in the clusters nearest to it.
   */
  exact?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** Called after each picture that has been compared with the others. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Two pictures that look alike. */
export interface NearDuplicates {
  paths: [string, string];
  /** Cosine similarity, from -1 to 1. */
  score: number;
}

/** Maximum number of pairs with the same picture. */
const MAX_PAIRS = 10_000;
/** Share of the vectors that each is compared with. */
const NEAR_SHARE = 1 / 8;
/** Number of concurrent searches. */
const SEARCHES = 4;

/**
 * An index of the pictures in a folder, searchable by text, by picture, and for near-duplicates. It is stored in
 * LanceDB (`npm install @lancedb/lancedb`), with about 4 kB for a picture and a vector of 512 numbers.
 *
 * A search of 100,000 pictures takes 15 ms on one core (test/bench/vector-stores.md), plus the model's time for the
 * query. Any number of processes may have the same index open; those that change it wait for each other.
 */
export class ImageIndex {
  readonly #folder: string;
  readonly #model: IndexableModel;
  readonly #store: Store;
  #closed = false;

  private constructor(folder: string, model: IndexableModel, store: Store) {
    this.#folder = folder;
    this.#model = model;
    this.#store = store;
  }

  /**
   * Opens the index of a folder, or creates an empty one. Call `update` to fill it.
   * @example
   * ```ts
   * const index = await ImageIndex.open("photos", { model: clip });
   * await index.update();
   * const found = await index.searchText("a red car", { top: 5 });
   * ```
   * @throws ClipBlipError ERR_INVALID_ARGUMENT, also if the index was made with another model; ERR_MODULE_NOT_FOUND if
   * LanceDB is not installed; what the model throws
   */
  static async open(folder: string, options: ImageIndexOptions): Promise<ImageIndex> {
    if (typeof folder !== "string" || folder === "") throw invalidArgument("folder", "the path of a folder", folder);
    assertOptions(options, "options", ["model", "modelName", "path", "rebuild", "signal"]);
    const { model, modelName, path = besidePath(folder), rebuild = false, signal } = options ?? {};
    if (typeof model?.encodeImageStream !== "function") throw invalidArgument("options.model", "a ClipModel", model);
    if (modelName !== undefined && typeof modelName !== "string") {
      throw invalidArgument("options.modelName", "a string", modelName);
    }
    if (typeof path !== "string" || path === "") throw invalidArgument("options.path", "the path of a folder", path);
    assertBoolean(rebuild, "options.rebuild");
    assertSignal(signal, "options.signal");
    await assertFolder(folder);
    const identity = await identify(model, modelName, signal);
    const accepts = (made: ModelIdentity) => {
      const same = isSameModel(made, identity);
      if (!same && !rebuild) throw otherModel(path, made, identity);
      return same;
    };
    return new ImageIndex(
      folder,
      model,
      await Store.open(resolve(path), identity, { replace: rebuild, accepts, signal }),
    );
  }

  /** Number of pictures in the index. */
  async count(): Promise<number> {
    this.#assertOpen();
    return this.#store.count();
  }

  /**
   * Updates the index from the folder and its subfolders: embeds files that are new or have changed (in size or time,
   * and in content), keeps the vectors of files that have moved, and removes files that are gone. Progress is committed
   * every few seconds, so that the next run continues one that ended early, even in a crash.
   *
   * The result lists what has no vector: files that cannot be read as pictures, which are not tried again until they
   * change; and files and folders that cannot be looked at, of which the index keeps what it has. Each folder is
   * entered once, whatever links lead to it.
   * @example
   * ```ts
   * const { added, failed } = await index.update();
   * ```
   * @throws ClipBlipError ERR_CLOSED, what the model throws; `signal.reason`
   */
  async update(options: UpdateOptions = {}): Promise<UpdateResult> {
    this.#assertOpen();
    assertUpdateOptions(options);
    // A missing folder, such as of a disk that is not mounted, must not count as an empty one.
    await assertFolder(this.#folder);
    return this.#change(options, (known) => findChanges(this.#folder, known.files, known.unreadable));
  }

  /**
   * Adds files of the folder, or embeds them again if they have changed.
   * @example
   * ```ts
   * await index.add(["2026/beach.jpg"]); // photos/2026/beach.jpg
   * ```
   *
   * @param paths absolute, or relative to the folder
   * @throws ClipBlipError as `update`; ERR_INVALID_ARGUMENT for a file that does not exist or is not in the folder
   */
  async add(paths: string[], options: UpdateOptions = {}): Promise<UpdateResult> {
    this.#assertOpen();
    assertUpdateOptions(options);
    const wanted = this.#relativePaths(paths);
    const { states: changed, lost } = await statesOf(this.#folder, wanted);
    const present = new Set([...changed, ...lost].map(({ path }) => path));
    const index = wanted.findIndex((path) => !present.has(path));
    if (index >= 0) throw invalidArgument(`paths[${index}]`, "the path of a file", paths[index]).at(index);
    return this.#change(options, async () => ({ changed, unchanged: 0, unreadable: [], lost, gone: [] }));
  }

  /**
   * Removes files from the index, and resolves with how many were in it. `update` adds those again that are still in
   * the folder.
   *
   * @param paths absolute, or relative to the folder
   * @throws ClipBlipError ERR_CLOSED, ERR_INVALID_ARGUMENT
   */
  async remove(paths: string[], options: { signal?: AbortSignal } = {}): Promise<number> {
    this.#assertOpen();
    assertOptions(options, "options", ["signal"]);
    assertSignal(options.signal, "options.signal");
    const wanted = this.#relativePaths(paths);
    const { removed } = await this.#change(options, async ({ files, unreadable }) => {
      const gone = [...new Set(wanted)].filter((path) => files.has(path) || unreadable.has(path));
      return { changed: [], unchanged: 0, unreadable: [], lost: [], gone };
    });
    return removed;
  }

  /**
   * Finds the pictures that match a text best, best first.
   * @example
   * ```ts
   * for (const { path, score } of await index.searchText("a dog on a beach")) console.log(score, path);
   * ```
   * @throws ClipBlipError ERR_CLOSED, ERR_INVALID_ARGUMENT, what the model throws
   */
  async searchText(text: string, options: SearchOptions = {}): Promise<SearchResult[]> {
    this.#assertOpen();
    if (typeof text !== "string") throw invalidArgument("text", "a string", text);
    assertSearchOptions(options);
    const [vector] = await this.#model.encodeTexts([text], { signal: options.signal });
    return this.#search(vector!, options);
  }

  /**
   * Finds the pictures most similar to a given one, best first, including that one if it is in the index.
   * @example
   * ```ts
   * const similar = await index.searchImage("holiday.jpg", { top: 3 });
   * ```
   * @throws ClipBlipError ERR_CLOSED, ERR_INVALID_ARGUMENT, ERR_IMAGE_DECODE, and what else the model throws
   */
  async searchImage(image: ImageInput, options: SearchOptions = {}): Promise<SearchResult[]> {
    this.#assertOpen();
    assertSearchOptions(options);
    const [vector] = await this.#model.encodeImages([image], { signal: options.signal });
    return this.#search(vector!, options);
  }

  /**
   * Finds pairs of pictures that look alike, each pair once. It makes one search per picture: minutes for 100,000
   * pictures.
   * @example
   * ```ts
   * for await (const { paths, score } of index.duplicates({ threshold: 0.95 })) console.log(score, ...paths);
   * ```
   * @throws ClipBlipError ERR_CLOSED, ERR_INVALID_ARGUMENT; rejects with `signal.reason` when aborted
   */
  duplicates(options: DuplicatesOptions = {}): AsyncGenerator<NearDuplicates, void, undefined> {
    this.#assertOpen();
    assertOptions(options, "options", ["threshold", "exact", "signal", "onProgress"]);
    assertNumber(options.threshold, "options.threshold", 0, 1);
    assertBoolean(options.exact, "options.exact");
    assertSignal(options.signal, "options.signal");
    assertFunction(options.onProgress, "options.onProgress");
    return this.#duplicates(options);
  }

  /** Closes the index; the model stays open. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#store.close();
  }

  async [asyncDispose](): Promise<void> {
    await this.close();
  }

  async #search(vector: Float32Array, { top = 10, exact, signal }: SearchOptions): Promise<SearchResult[]> {
    signal?.throwIfAborted();
    const found = await this.#store.nearest(vector, { limit: top, share: exact ? 1 : undefined });
    return found.map(({ path, score }) => ({ path: join(this.#folder, path), score }));
  }

  async *#duplicates({
    threshold = 0.97,
    exact,
    signal,
    onProgress,
  }: DuplicatesOptions): AsyncGenerator<NearDuplicates, void, undefined> {
    const total = await this.#store.count();
    let completed = 0;
    const neighbours = orderedMap(
      this.#store.vectors(),
      () => SEARCHES,
      ({ path, vector }) => {
        const share = exact ? 1 : NEAR_SHARE;
        const searched = this.#store
          .nearest(vector, { limit: MAX_PAIRS, atLeast: threshold, share })
          // Each of the two finds the other; one of these is kept.
          .then((found) => found.filter((other) => path < other.path).map((other) => ({ path, other })));
        // If a caller leaves the loop early and closes the index, nobody awaits the remaining searches.
        searched.catch(() => {});
        return searched;
      },
    );
    for await (const pairs of neighbours) {
      signal?.throwIfAborted();
      for (const { path, other } of pairs) {
        yield { paths: [join(this.#folder, path), join(this.#folder, other.path)], score: other.score };
      }
      onProgress?.({ completed: ++completed, total });
    }
  }

  /** Finds changes and makes them, as the only writer. */
  #change(options: UpdateOptions, find: (known: Known) => Promise<Changes>): Promise<UpdateResult> {
    return this.#store.exclusively(async () => {
      const known = { files: await this.#store.files(), unreadable: await this.#store.unreadable() };
      const changes = await find(known);
      if (changes.changed.length + changes.gone.length === 0) return resultWithout(changes);
      const context = { store: this.#store, model: this.#model, folder: this.#folder, known, changes };
      const result = await new Update(context, options).run();
      await this.#store.tidy();
      return result;
    }, options.signal);
  }

  /** Paths of files in the folder, in the form of the index. */
  #relativePaths(paths: string[]): string[] {
    assertArray(paths, "paths");
    assertStrings(paths, "paths");
    const folder = resolve(this.#folder);
    return paths.map((path, index) => {
      const place = relative(folder, resolve(folder, path));
      const inside = place !== "" && place !== ".." && !place.startsWith(`..${sep}`) && !isAbsolute(place);
      if (!inside)
        throw invalidArgument(`paths[${index}]`, `the path of a file in ${brief(this.#folder)}`, path).at(index);
      return place.replaceAll(sep, "/");
    });
  }

  #assertOpen(): void {
    if (this.#closed) throw new ClipBlipError("ERR_CLOSED", "The index is closed: open it again");
  }
}

/** The default path of an index: beside the folder, or inside if that is the root of a disk. */
function besidePath(folder: string): string {
  const path = resolve(folder);
  return dirname(path) === path ? join(path, ".clip-blip") : `${path}.clip-blip`;
}

async function assertFolder(folder: string): Promise<void> {
  let code: string | undefined;
  try {
    if ((await stat(folder)).isDirectory()) return;
  } catch (error) {
    code = (error as NodeJS.ErrnoException).code;
  }
  const message =
    code === undefined || code === "ENOENT" || code === "ENOTDIR"
      ? `There is no folder ${brief(folder)}: check the path`
      : `The folder ${brief(folder)} cannot be read (${code}): check its permissions`;
  throw new ClipBlipError("ERR_INVALID_ARGUMENT", message);
}

function assertUpdateOptions(options: UpdateOptions): void {
  assertOptions(options, "options", ["signal", "onProgress"]);
  assertSignal(options.signal, "options.signal");
  assertFunction(options.onProgress, "options.onProgress");
}

function assertSearchOptions(options: SearchOptions): void {
  assertOptions(options, "options", ["top", "exact", "signal"]);
  assertInteger(options.top, "options.top", 1);
  assertBoolean(options.exact, "options.exact");
  assertSignal(options.signal, "options.signal");
}

function otherModel(path: string, made: ModelIdentity, now: ModelIdentity): ClipBlipError {
  const describe = ({ name, picture }: ModelIdentity) =>
    `${name === undefined ? "a model" : brief(name)} (${picture.length} numbers a vector)`;
  return new ClipBlipError(
    "ERR_INVALID_ARGUMENT",
    `The index ${brief(path)} was made with ${describe(made)}, whose vectors cannot be compared with those of ${describe(now)}: ` +
      "open it with that model, pass rebuild: true to embed everything again, or choose another path",
  );
}
