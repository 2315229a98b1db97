import { requirePeer } from "../common/peer.js";
import { ClipEmbeddingFunction, NAME } from "./chroma-function.js";

export { ClipEmbeddingFunction, type ClipEmbeddingFunctionConfig } from "./chroma-function.js";

// For `require`: registers the function in the peer's CommonJS build, whose registry is not that of `import`.
const { registerEmbeddingFunction } = requirePeer(
  (): typeof import("chromadb") => require("chromadb"),
  "chromadb",
  "clip-blip/chroma",
);
registerEmbeddingFunction(NAME, ClipEmbeddingFunction);
