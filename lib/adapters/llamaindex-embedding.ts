import type { MultiModalEmbedding } from "@llamaindex/core/embeddings";
import type { ImageType } from "@llamaindex/core/schema";
import { assertInteger } from "../common/validate.js";
import { type AdapterInput, type AdapterOptions, adapterOptions, Embedder } from "./embedder.js";

/** Options of `ClipEmbedding`. */
export interface ClipEmbeddingOptions extends AdapterOptions {
  /** Number of texts or pictures that LlamaIndex embeds at a time. Default 64. */
  embedBatchSize?: number | undefined;
}

/** Methods of `ClipEmbedding`. */
export interface ClipEmbeddingMethods {
  /** The vector of a text, of length 1. */
  getTextEmbedding(text: string): Promise<number[]>;
  /** The vector of a picture, of length 1. */
  getImageEmbedding(image: ImageType): Promise<number[]>;
  /** Vectors of pictures, each of length 1, in the order given. */
  getImageEmbeddings(images: ImageType[]): Promise<number[][]>;
}

/**
 * Makes the class over LlamaIndex's `MultiModalEmbedding`. LlamaIndex has an ESM and a CommonJS build, each with its
 * own class: `Base` is that of the build that the user loads.
 */
export function clipEmbedding<B>(Base: {
  prototype: B;
}): new (
  options: AdapterInput<ClipEmbeddingOptions>,
) => B & ClipEmbeddingMethods {
  // The classes are the same, but to TypeScript classes with private members are different types.
  const Parent = Base as unknown as typeof MultiModalEmbedding;
  class OfClip extends Parent implements ClipEmbeddingMethods {
    readonly #embedder: Embedder;

    constructor(input: AdapterInput<ClipEmbeddingOptions>) {
      const options = adapterOptions<ClipEmbeddingOptions>(input);
      super();
      this.#embedder = new Embedder(options, ["embedBatchSize"]);
      assertInteger(options.embedBatchSize, "options.embedBatchSize", 1);
      this.embedBatchSize = options.embedBatchSize ?? 64;
      // The base class has this as a property of each instance.
      this.getTextEmbeddings = (texts) => this.#embedder.texts(texts);
    }

    override async getTextEmbedding(text: string): Promise<number[]> {
      const [vector] = await this.#embedder.texts([text]);
      return vector!;
    }

    override async getImageEmbedding(image: ImageType): Promise<number[]> {
      const [vector] = await this.#embedder.images([image]);
      return vector!;
    }

    override getImageEmbeddings(images: ImageType[]): Promise<number[][]> {
      return this.#embedder.images(images);
    }
  }
  return OfClip as unknown as new (
    options: AdapterInput<ClipEmbeddingOptions>,
  ) => B & ClipEmbeddingMethods;
}
