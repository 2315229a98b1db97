import { requirePeer } from "../common/peer.js";
import { ClipEmbeddingFunction, NAME } from "./chroma-function.js";

export { ClipEmbeddingFunction, type ClipEmbeddingFunctionConfig } from "./chroma-function.js";

// For `require`: in the registry of that build of the peer, which is another one than that of `import`.
const { registerEmbeddingFunction } = requirePeer(
  (): typeof import("chromadb") => require("chromadb"),
  "chromadb",
  "clip-blip/chroma",
);
registerEmbeddingFunction(NAME, ClipEmbeddingFunction);
