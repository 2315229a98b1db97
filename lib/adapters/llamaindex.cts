import type { MultiModalEmbedding } from "@llamaindex/core/embeddings";
import { requirePeer } from "../common/peer.js";
import { clipEmbedding } from "./llamaindex-embedding.js";

export type { ClipEmbeddingMethods, ClipEmbeddingOptions } from "./llamaindex-embedding.js";

// For `require`: over the class that `require` gives of the peer, which is another one than `import` gives.
const llamaindex = requirePeer(
  (): typeof import("@llamaindex/core/embeddings") => require("@llamaindex/core/embeddings"),
  "@llamaindex/core",
  "clip-blip/llamaindex",
);

/**
 * LlamaIndex.TS embedding of texts and pictures with a CLIP model: `Settings.embedModel = new ClipEmbedding({ model })`.
 * Texts longer than the model's context, 77 tokens with OpenAI's models, are cut at it.
 */
export class ClipEmbedding extends clipEmbedding<MultiModalEmbedding>(llamaindex.MultiModalEmbedding) {}
