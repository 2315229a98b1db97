import { importPeer } from "../common/peer.js";
import { ClipEmbeddingFunction, NAME } from "./chroma-function.js";

export { ClipEmbeddingFunction, type ClipEmbeddingFunctionConfig } from "./chroma-function.js";

// For `import`. `require` gets chroma.cts, because it cannot await a peer.
const { registerEmbeddingFunction } = await importPeer(() => import("chromadb"), "chromadb", "clip-blip/chroma");
registerEmbeddingFunction(NAME, ClipEmbeddingFunction);
