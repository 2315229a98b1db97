import type { EmbeddingsParams } from "@langchain/core/embeddings";
import type { ImageInput } from "../input/types.js";
import { importPeer } from "../peer.js";
import { type AdapterOptions, Embedder } from "./embedder.js";

// This module is loaded with `import`, not with `require`: it waits for its peer.
const { Embeddings } = await importPeer(
  () => import("@langchain/core/embeddings"),
  "@langchain/core",
  "clip-blip/langchain",
);

/**
 * LangChain.js `Embeddings` of a CLIP model: `new ClipEmbeddings({ model: clip })`.
 *
 * Texts longer than the model's context, 77 tokens with OpenAI's models, are cut at it: split documents accordingly.
 * Pictures have vectors in the same space: `embedImages` is for `vectorStore.addVectors`.
 */
export class ClipEmbeddings extends Embeddings {
  readonly #embedder: Embedder;

  constructor(options: AdapterOptions & EmbeddingsParams) {
    super(options);
    this.#embedder = new Embedder(options);
  }

  override embedDocuments(documents: string[]): Promise<number[][]> {
    return this.#embedder.texts(documents);
  }

  override async embedQuery(document: string): Promise<number[]> {
    const [vector] = await this.#embedder.texts([document]);
    return vector!;
  }

  /** Vectors of pictures, each of length 1, in the order given. */
  embedImages(images: ImageInput[]): Promise<number[][]> {
    return this.#embedder.images(images);
  }

  /** The vector of a picture, to search with. */
  async embedImageQuery(image: ImageInput): Promise<number[]> {
    const [vector] = await this.#embedder.images([image]);
    return vector!;
  }
}
