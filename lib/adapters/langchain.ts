import type { Embeddings } from "@langchain/core/embeddings";
import { importPeer } from "../common/peer.js";
import { clipEmbeddings } from "./langchain-embeddings.js";

export type { ClipEmbeddingsMethods, ClipEmbeddingsOptions } from "./langchain-embeddings.js";

// For `import`; `require` gets langchain.cts, since it cannot wait for a peer.
const langchain = await importPeer(
  () => import("@langchain/core/embeddings"),
  "@langchain/core",
  "clip-blip/langchain",
);

/**
 * LangChain.js `Embeddings` with a CLIP model.
 * @example
 * ```ts
 * const embeddings = new ClipEmbeddings({ model: clip });
 * const vector = await embeddings.embedQuery("a red car");
 * ```
 *
 * Texts longer than the model's context, 77 tokens with OpenAI's models, are cut at it: split documents accordingly.
 * Pictures have vectors in the same space: `embedImages` is for `vectorStore.addVectors`.
 */
export class ClipEmbeddings extends clipEmbeddings<Embeddings>(langchain.Embeddings) {}
