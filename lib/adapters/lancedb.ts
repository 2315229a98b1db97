import type { Float } from "apache-arrow";
import { ClipBlipError } from "../common/errors.js";
import { packageRequire } from "../common/package-path.js";
import { requirePeer } from "../common/peer.js";
import { assertOneOf, assertOptions } from "../common/validate.js";
import type { ImageInput } from "../input/types.js";
import type { LoadOptions } from "../models/load-options.js";
import { Embedder } from "./embedder.js";

// LanceDB is a CommonJS package, so `require` gives the same classes as `import` does. Without a top-level await this
// module can itself be required. Arrow is required too, to get the build that LanceDB uses.
const require = packageRequire();
const USER = "clip-blip/lancedb";
const { EmbeddingFunction, register } = requirePeer(
  (): typeof import("@lancedb/lancedb/embedding") => require("@lancedb/lancedb/embedding"),
  "@lancedb/lancedb",
  USER,
);
const { Float32 } = requirePeer((): typeof import("apache-arrow") => require("apache-arrow"), "apache-arrow", USER);

/** Options of `ClipEmbeddingFunction`. LanceDB stores them with the table. */
export interface ClipEmbeddingFunctionOptions {
  /** Source of the model as `ClipModel.load` takes it. Default "demo". */
  model?: string | undefined;
  /** As in `ClipModel.load`. */
  revision?: string | undefined;
  /** As in `ClipModel.load`. */
  subfolder?: string | undefined;
  /** What the source column holds: texts, or pictures as bytes, paths or URLs. Default "images". */
  source?: "images" | "texts" | undefined;
  /** As in `ClipModel.load`. */
  device?: LoadOptions["device"] | undefined;
  /** As in `ClipModel.load`. */
  dtype?: LoadOptions["dtype"] | undefined;
  /** Fetch pictures that are `http(s):` URLs. Default false. */
  allowRemote?: boolean | undefined;
}

/**
 * LanceDB's EmbeddingFunction with a CLIP model, registered as "clip-blip". A table with it embeds its rows and queries
 * by itself. A query that is a string is a text, anything else is a picture.
 *
 * Import this module before you open such a table, because LanceDB recreates the function from the table's metadata.
 * @example
 * ```ts
 * const embedder = await getRegistry().get<ClipEmbeddingFunction>("clip-blip")!.create({ model: "demo" });
 * const schema = LanceSchema({ path: embedder.sourceField(new Utf8()), vector: embedder.vectorField() });
 * const table = await connection.createTable("photos", [{ path: "a.jpg" }], { schema });
 * const found = await table.search("a red car", "vector").limit(5).toArray();
 * ```
 */
export class ClipEmbeddingFunction extends EmbeddingFunction<ImageInput, ClipEmbeddingFunctionOptions> {
  readonly #embedder: Embedder;
  readonly #source: "images" | "texts";
  #dimension: number | undefined;

  constructor(options: ClipEmbeddingFunctionOptions = {}) {
    super();
    assertOptions(options, "options", ["model", "revision", "subfolder", "source", "device", "dtype", "allowRemote"]);
    const { model = "demo", source = "images", allowRemote, ...load } = this.resolveVariables(options);
    const { revision, subfolder, device, dtype } = load;
    assertOneOf(source, "options.source", ["images", "texts"]);
    this.#source = source;
    this.#embedder = new Embedder({ model, load: { revision, subfolder, device, dtype }, allowRemote });
  }

  /** Loads the model; LanceDB calls it. */
  override async init(): Promise<void> {
    this.#dimension = (await this.#embedder.model()).capabilities().dimension;
  }

  override ndims(): number | undefined {
    return this.#dimension;
  }

  override embeddingDataType(): Float {
    return new Float32();
  }

  /** A row without a picture or text has no vector. */
  override async computeSourceEmbeddings(data: (ImageInput | null)[]): Promise<number[][]> {
    // An index loop in `from`, because Arrow's own vectors are iterable only.
    const rows = Array.from(data);
    const given = rows.filter((row) => row !== null && row !== undefined);
    const at = rows.flatMap((row, index) => (row === null || row === undefined ? [] : index));
    const vectors = await ofRows(
      this.#source === "texts" ? this.#embedder.texts(given as string[]) : this.#embedder.images(given),
      at,
    );
    const all: (number[] | null)[] = rows.map(() => null);
    for (const [position, index] of at.entries()) all[index] = vectors[position]!;
    // LanceDB takes null for a vector, although its types do not say so.
    return all as number[][];
  }

  override async computeQueryEmbeddings(query: ImageInput): Promise<number[]> {
    const vectors = typeof query === "string" ? this.#embedder.texts([query]) : this.#embedder.images([query]);
    const [vector] = await vectors;
    return vector!;
  }
}

/** The vectors of some rows; an error that blames one of them names its place among all. */
async function ofRows(call: Promise<number[][]>, rows: number[]): Promise<number[][]> {
  try {
    return await call;
  } catch (error) {
    throw error instanceof ClipBlipError && error.index !== undefined ? error.at(rows[error.index]!) : error;
  }
}

register("clip-blip")(ClipEmbeddingFunction);
