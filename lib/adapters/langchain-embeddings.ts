import type { Embeddings, EmbeddingsParams } from "@langchain/core/embeddings";
import type { ImageInput } from "../input/types.js";
import { type AdapterInput, type AdapterOptions, adapterOptions, Embedder } from "./embedder.js";

/** The options of LangChain's base class. */
const LANGCHAIN = ["maxConcurrency", "maxRetries", "onFailedAttempt"] as const satisfies (keyof EmbeddingsParams)[];

/** Options of `ClipEmbeddings`: the adapter's, and LangChain's own. */
export type ClipEmbeddingsOptions = AdapterOptions & EmbeddingsParams;

/** Methods of `ClipEmbeddings`. */
export interface ClipEmbeddingsMethods {
  /** Vectors of texts, each of length 1, in the order given. */
  embedDocuments(documents: string[]): Promise<number[][]>;
  /** The vector of a text, of length 1, to search with. */
  embedQuery(document: string): Promise<number[]>;
  /** Vectors of pictures, each of length 1, in the order given. */
  embedImages(images: ImageInput[]): Promise<number[][]>;
  /** The vector of a picture, of length 1, to search with. */
  embedImageQuery(image: ImageInput): Promise<number[]>;
}

/**
 * Makes the class over LangChain's `Embeddings`. LangChain has an ESM and a CommonJS build, each with its own class:
 * `Base` is that of the build that the user loads.
 */
export function clipEmbeddings<B>(Base: {
  prototype: B;
}): new (
  options: AdapterInput<ClipEmbeddingsOptions>,
) => B & ClipEmbeddingsMethods {
  // The classes are the same, but to TypeScript classes with private members are different types.
  const Parent = Base as unknown as typeof Embeddings;
  class OfClip extends Parent implements ClipEmbeddingsMethods {
    readonly #embedder: Embedder;

    constructor(input: AdapterInput<ClipEmbeddingsOptions>) {
      const options = adapterOptions<ClipEmbeddingsOptions>(input);
      super(options);
      this.#embedder = new Embedder(options, LANGCHAIN);
    }

    override embedDocuments(documents: string[]): Promise<number[][]> {
      return this.#embedder.texts(documents);
    }

    override async embedQuery(document: string): Promise<number[]> {
      const [vector] = await this.#embedder.texts([document]);
      return vector!;
    }

    embedImages(images: ImageInput[]): Promise<number[][]> {
      return this.#embedder.images(images);
    }

    async embedImageQuery(image: ImageInput): Promise<number[]> {
      const [vector] = await this.#embedder.images([image]);
      return vector!;
    }
  }
  return OfClip as unknown as new (
    options: AdapterInput<ClipEmbeddingsOptions>,
  ) => B & ClipEmbeddingsMethods;
}
