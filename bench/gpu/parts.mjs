import { availableParallelism } from "node:os";
import { repositoryPath } from "../common/paths.mjs";

/**
 * The parts of the record, the most important first: when time runs out, the last ones are left out. `limit` is in
 * seconds; together they may want more than there is.
 */
const PARTS = [
  { id: "build", limit: 150, title: "Building the addon and the CUDA-graph object from source" },
  { id: "checkpoints", limit: 110, title: "Making the checkpoints" },
  { id: "towers", limit: 70, title: "CLIP image towers from uint8 pixels in host memory" },
  { id: "captions", limit: 60, title: "BLIP captions, 20 tokens" },
  { id: "eager", limit: 80, title: "transformers in Python, eager" },
  { id: "memory", limit: 40, title: "Probe, peak memory and unloading" },
  { id: "guard", limit: 30, title: "The cache guard under each policy" },
  { id: "files", limit: 40, title: "25 pictures from files" },
  { id: "end-to-end", limit: 40, title: "JPEG to vector, next to decoding alone", manyThreads: true },
  { id: "utilisation", limit: 25, title: "Utilisation from pre-decoded pixels" },
  { id: "fidelity", limit: 40, title: "float16 against float32" },
  { id: "load", limit: 40, title: "Loading an archive" },
  { id: "tests", limit: 150, title: "npm run test:gpu" },
  { id: "graphs-off", limit: 45, title: "Without CUDA graphs" },
  { id: "compile", limit: 120, title: "transformers in Python, torch.compile" },
];

export const PART_IDS = PARTS.map(({ id }) => id);

/** The parts as they are run: `told` becomes the argument of each. */
export function partsFor(told, only) {
  const chosen = only ? PARTS.filter(({ id }) => only.includes(id)) : PARTS;
  return chosen.map(({ id, limit, title, manyThreads }) => ({
    id,
    limit,
    title,
    command: [process.execPath, repositoryPath("bench", "gpu", "parts", `${id}.mjs`), JSON.stringify(told)],
    env: manyThreads ? { UV_THREADPOOL_SIZE: String(availableParallelism() + 2) } : {},
  }));
}
