import type { Embeddings } from "@langchain/core/embeddings";
import { importPeer } from "../common/peer.js";
import { clipEmbeddings } from "./langchain-embeddings.js";

export type { ClipEmbeddingsMethods, ClipEmbeddingsOptions } from "./langchain-embeddings.js";

// For `import`. `require` gets langchain.cts, because it cannot await a peer.
const langchain = await importPeer(
  () => import("@langchain/core/embeddings"),
  "@langchain/core",
  "clip-blip/langchain",
);

/**
 * LangChain.js `Embeddings` with a CLIP model. Texts longer than the model's context, 77 tokens with OpenAI's models,
 * are truncated: split documents accordingly. Pictures have vectors in the same space: add those of `embedImages` with
 * `vectorStore.addVectors`.
 * @example
 * ```ts
 * const embeddings = new ClipEmbeddings({ model: "openai/clip-vit-base-patch32" });
 * const vector = await embeddings.embedQuery("a red car");
 * ```
 */
export class ClipEmbeddings extends clipEmbeddings<Embeddings>(langchain.Embeddings) {}
