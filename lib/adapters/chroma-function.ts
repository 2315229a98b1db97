import { isDeepStrictEqual } from "node:util";
import type { EmbeddingFunction, EmbeddingFunctionSpace } from "chromadb";
import { invalidArgument } from "../common/validate.js";
import type { ImageInput } from "../input/types.js";
import type { LoadOptions } from "../models/load-options.js";
import { type AdapterInput, adapterOptions, Embedder } from "./embedder.js";

/** Name of the function in Chroma. */
export const NAME = "clip-blip";

/** What Chroma stores with a collection. */
export interface ClipEmbeddingFunctionConfig {
  /** Source of the model; undefined if a loaded model was given. */
  model?: string | undefined;
  load?: Pick<LoadOptions, "revision" | "subfolder" | "device" | "dtype"> | undefined;
}

/**
 * Chroma's EmbeddingFunction with a CLIP model, registered as "clip-blip". If it was created with a source and not with
 * a loaded model, `getCollection` recreates it from what is stored with the collection; import this module for that.
 * Pictures have vectors in the same space as texts.
 * @example
 * ```ts
 * const embedder = new ClipEmbeddingFunction({ model: "openai/clip-vit-base-patch32" });
 * const photos = await client.createCollection({ name: "photos", embeddingFunction: embedder });
 * await photos.add({ ids: ["a"], embeddings: await embedder.generateForImages(["a.jpg"]) });
 * await photos.query({ queryTexts: ["a red car"] });
 * ```
 */
export class ClipEmbeddingFunction implements EmbeddingFunction {
  readonly name = NAME;
  readonly #embedder: Embedder;
  readonly #config: ClipEmbeddingFunctionConfig;

  constructor(input: AdapterInput) {
    const options = adapterOptions(input);
    this.#embedder = new Embedder(options);
    const { model, load: { revision, subfolder, device, dtype } = {} } = options;
    this.#config = typeof model === "string" ? { model, load: { revision, subfolder, device, dtype } } : {};
  }

  /** Creates a function from what Chroma has stored with a collection. */
  static buildFromConfig({ model, load }: ClipEmbeddingFunctionConfig): ClipEmbeddingFunction {
    if (typeof model !== "string") {
      throw invalidArgument(
        "config.model",
        "the source of a model, as this collection was made with a loaded one",
        model,
      );
    }
    return new ClipEmbeddingFunction({ model, load });
  }

  generate(texts: string[]): Promise<number[][]> {
    return this.#embedder.texts(texts);
  }

  /** Vectors of pictures, each of length 1, in the order given. */
  generateForImages(images: ImageInput[]): Promise<number[][]> {
    return this.#embedder.images(images);
  }

  defaultSpace(): EmbeddingFunctionSpace {
    return "cosine";
  }

  supportedSpaces(): EmbeddingFunctionSpace[] {
    return ["cosine", "l2", "ip"];
  }

  getConfig(): ClipEmbeddingFunctionConfig {
    return this.#config;
  }

  /** @throws ClipBlipError ERR_INVALID_ARGUMENT for another model, whose vectors cannot be compared */
  validateConfigUpdate(config: ClipEmbeddingFunctionConfig): void {
    const [own, other] = [this.#config, config].map(({ model, load: { revision, subfolder } = {} }) => ({
      model,
      revision,
      subfolder,
    }));
    if (isDeepStrictEqual(own, other)) return;
    throw invalidArgument("config.model", `the model of the collection, ${JSON.stringify(own)},`, other);
  }
}
