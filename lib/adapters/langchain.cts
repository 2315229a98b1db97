import type { Embeddings } from "@langchain/core/embeddings";
import { requirePeer } from "../common/peer.js";
import { clipEmbeddings } from "./langchain-embeddings.js";

export type { ClipEmbeddingsMethods, ClipEmbeddingsOptions } from "./langchain-embeddings.js";

// For `require`: over the class that `require` gives of the peer, which is another one than `import` gives.
const langchain = requirePeer(
  (): typeof import("@langchain/core/embeddings") => require("@langchain/core/embeddings"),
  "@langchain/core",
  "clip-blip/langchain",
);

/**
 * LangChain.js `Embeddings` of a CLIP model: `new ClipEmbeddings({ model: clip })`.
 *
 * Texts longer than the model's context, 77 tokens with OpenAI's models, are cut at it: split documents accordingly.
 * Pictures have vectors in the same space: `embedImages` is for `vectorStore.addVectors`.
 */
export class ClipEmbeddings extends clipEmbeddings<Embeddings>(langchain.Embeddings) {}
