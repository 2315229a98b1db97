import type { ImageType } from "@llamaindex/core/schema";
import { importPeer } from "../peer.js";
import { type AdapterOptions, Embedder } from "./embedder.js";

// This module is loaded with `import`, not with `require`: it waits for its peer.
const { MultiModalEmbedding } = await importPeer(
  () => import("@llamaindex/core/embeddings"),
  "@llamaindex/core",
  "clip-blip/llamaindex",
);

/** Options of `ClipEmbedding`. */
export interface ClipEmbeddingOptions extends AdapterOptions {
  /** Texts or pictures that LlamaIndex hands over at a time. Default 64. */
  embedBatchSize?: number;
}

/**
 * LlamaIndex.TS embedding of texts and pictures with a CLIP model: `Settings.embedModel = new ClipEmbedding({ model })`.
 * Texts longer than the model's context, 77 tokens with OpenAI's models, are cut at it.
 */
export class ClipEmbedding extends MultiModalEmbedding {
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
