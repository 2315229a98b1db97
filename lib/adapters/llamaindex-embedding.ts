import type { MultiModalEmbedding } from "@llamaindex/core/embeddings";
import type { ImageType } from "@llamaindex/core/schema";
import { type AdapterOptions, Embedder } from "./embedder.js";

/** Options of `ClipEmbedding`. */
export interface ClipEmbeddingOptions extends AdapterOptions {
  /** Texts or pictures that LlamaIndex hands over at a time. Default 64. */
  embedBatchSize?: number;
}

/** What `ClipEmbedding` does. */
export interface ClipEmbeddingMethods {
  /** The vector of a text, of length 1. */
  getTextEmbedding(text: string): Promise<number[]>;
  /** The vector of a picture, of length 1. */
  getImageEmbedding(image: ImageType): Promise<number[]>;
  /** Vectors of pictures, in the order given. */
  getImageEmbeddings(images: ImageType[]): Promise<number[][]>;
}

/**
 * A class of LlamaIndex's `MultiModalEmbedding`. LlamaIndex has two builds with a class each, and which one is right
 * depends on how its user loads it: `Base` is that one.
 */
export function clipEmbedding<B>(Base: {
  prototype: B;
}): new (
  options: ClipEmbeddingOptions,
) => B & ClipEmbeddingMethods {
  // The builds differ in nothing, but TypeScript takes classes with private members for different ones.
  const Parent = Base as unknown as typeof MultiModalEmbedding;
  class OfClip extends Parent implements ClipEmbeddingMethods {
    readonly #embedder: Embedder;

    constructor(options: ClipEmbeddingOptions) {
      super();
      this.#embedder = new Embedder(options);
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
    options: ClipEmbeddingOptions,
  ) => B & ClipEmbeddingMethods;
}
