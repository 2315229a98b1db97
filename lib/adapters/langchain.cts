import type { Embeddings } from "@langchain/core/embeddings";
import { requirePeer } from "../common/peer.js";
import { clipEmbeddings } from "./langchain-embeddings.js";

export type { ClipEmbeddingsMethods, ClipEmbeddingsOptions } from "./langchain-embeddings.js";

// For `require`: extends the class of the peer's CommonJS build, which is not the class that `import` gets.
const langchain = requirePeer(
  (): typeof import("@langchain/core/embeddings") => require("@langchain/core/embeddings"),
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
