import { availableParallelism } from "node:os";
import { repositoryPath } from "../common/paths.mjs";

/**
 * The parts of the record, the most important first. `share` is of the time of all, as seconds of 8.5 minutes: each part
 * may run until the shares up to its own have passed, so what one does not need is there for those after it.
 */
const PARTS = [
  { id: "build", share: 60, title: "Building the addon and the CUDA-graph object from source" },
  { id: "checkpoints", share: 35, title: "Making the checkpoints" },
  { id: "tests", share: 90, title: "npm run test:gpu" },
  { id: "towers", share: 45, title: "CLIP image towers from uint8 pixels in host memory" },
  { id: "captions", share: 30, title: "BLIP captions, 20 tokens" },
  { id: "eager", share: 50, title: "transformers in Python, eager" },
  { id: "trace", share: 30, title: "Kernels of single calls" },
  { id: "memory", share: 20, title: "Probe, peak memory and unloading" },
  { id: "guard", share: 12, title: "The cache guard under each policy" },
  { id: "files", share: 12, title: "25 pictures from files" },
  { id: "end-to-end", share: 16, title: "JPEG to vector, next to decoding alone", manyThreads: true },
  { id: "utilisation", share: 12, title: "Utilisation from pre-decoded pixels" },
  { id: "fidelity", share: 12, title: "float16 against float32" },
  { id: "load", share: 18, title: "Loading an archive" },
  { id: "graphs-off", share: 18, title: "Without CUDA graphs" },
  { id: "compile", share: 50, title: "transformers in Python, torch.compile" },
];

export const PART_IDS = PARTS.map(({ id }) => id);

/** The parts as they are run: `told` becomes the argument of each. */
export function partsFor(told, only) {
  const chosen = only ? PARTS.filter(({ id }) => only.includes(id)) : PARTS;
  return chosen.map(({ id, share, title, manyThreads }) => ({
    id,
    share,
    title,
    command: [process.execPath, repositoryPath("bench", "gpu", "parts", `${id}.mjs`), JSON.stringify(told)],
    env: manyThreads ? { UV_THREADPOOL_SIZE: String(availableParallelism() + 2) } : {},
  }));
}
