import type { MultiModalEmbedding } from "@llamaindex/core/embeddings";
import { requirePeer } from "../common/peer.js";
import { clipEmbedding } from "./llamaindex-embedding.js";

export type { ClipEmbeddingMethods, ClipEmbeddingOptions } from "./llamaindex-embedding.js";

// For `require`: extends the class of the peer's CommonJS build, which is not the class that `import` gets.
const llamaindex = requirePeer(
  (): typeof import("@llamaindex/core/embeddings") => require("@llamaindex/core/embeddings"),
  "@llamaindex/core",
  "clip-blip/llamaindex",
);

/**
 * LlamaIndex.TS embedding of texts and pictures with a CLIP model. Texts longer than the model's context, 77 tokens
 * with OpenAI's models, are truncated.
 * @example
 * ```ts
 * Settings.embedModel = new ClipEmbedding({ model: "openai/clip-vit-base-patch32" });
 * ```
 */
export class ClipEmbedding extends clipEmbedding<MultiModalEmbedding>(llamaindex.MultiModalEmbedding) {}
