import { assertBoolean, assertOptions, invalidArgument } from "../common/validate.js";
import type { ImageInput } from "../input/types.js";
import { assertLoadOptions, type LoadOptions } from "../models/load-options.js";

/** What the adapters use of a model, such as `ClipModel`. */
export interface EmbeddingModel {
  capabilities(): { dimension?: number };
  encodeTexts(texts: string[], options?: { signal?: AbortSignal }): Promise<Float32Array[]>;
  encodeImages(
    images: ImageInput[],
    options?: { signal?: AbortSignal; allowRemote?: boolean },
  ): Promise<Float32Array[]>;
}

/** Options of every adapter. */
export interface AdapterOptions {
  /**
   * A loaded model, which the caller closes, or a source for `ClipModel.load`. A source is loaded on the first call,
   * once for all adapters of the process with the same source and options.
   */
  model: EmbeddingModel | string;
  /** Options for loading a source. */
  load?: Omit<LoadOptions, "signal" | "onProgress"> | undefined;
  /** Fetch pictures that are `http(s):` URLs. Default false. */
  allowRemote?: boolean | undefined;
}

/** A model or its source, alone or with further options. */
export type AdapterInput<Options extends AdapterOptions = AdapterOptions> = Options | AdapterOptions["model"];

/** The options of an adapter that was given a model, its source, or options. */
export function adapterOptions<Options extends AdapterOptions>(input: AdapterInput<Options>): Options {
  const isModel = typeof input === "string" || typeof (input as Partial<EmbeddingModel>)?.encodeTexts === "function";
  return (isModel ? { model: input } : input) as Options;
}

/** Models loaded for adapters, by source and options. */
const loaded = new Map<string, Promise<EmbeddingModel>>();

/** Embeds for an adapter, as plain arrays of numbers, as vector libraries expect. */
export class Embedder {
  readonly #options: AdapterOptions;

  /**
   * @param more names of the adapter's own options
   * @throws ClipBlipError ERR_INVALID_ARGUMENT, also if `model` is neither a model nor a source
   */
  constructor(options: AdapterOptions, more: readonly string[] = []) {
    if (options === undefined) throw invalidArgument("options", "an object", options);
    assertOptions(options, "options", ["model", "load", "allowRemote", ...more]);
    const { model, load, allowRemote } = options;
    if (typeof model !== "string" && typeof model?.encodeTexts !== "function") {
      throw invalidArgument("options.model", "a ClipModel, or the source of one", model);
    }
    if (load !== undefined) assertLoadOptions(load, "clip", "options.load");
    assertBoolean(allowRemote, "options.allowRemote");
    this.#options = options;
  }

  /** The model, which is loaded if necessary. */
  model(): Promise<EmbeddingModel> {
    const { model, load = {} } = this.#options;
    return typeof model === "string" ? loadOnce(model, load) : Promise.resolve(model);
  }

  async texts(texts: string[], signal?: AbortSignal): Promise<number[][]> {
    const model = await this.model();
    return (await model.encodeTexts(texts, { signal })).map((vector) => Array.from(vector));
  }

  async images(images: ImageInput[], signal?: AbortSignal): Promise<number[][]> {
    const model = await this.model();
    const { allowRemote } = this.#options;
    return (await model.encodeImages(images, { signal, allowRemote })).map((vector) => Array.from(vector));
  }
}

function loadOnce(source: string, options: LoadOptions): Promise<EmbeddingModel> {
  const key = JSON.stringify([source, Object.entries(options).sort()]);
  let model = loaded.get(key);
  if (!model) {
    model = import("../models/clip/model.js").then(({ ClipModel }) => ClipModel.load(source, options));
    loaded.set(key, model);
    // After a failure the next call tries again.
    model.catch(() => loaded.delete(key));
  }
  return model;
}
