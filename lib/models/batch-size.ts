import type { ModelDescription } from "../checkpoint/description.js";

const MAX_USEFUL_BATCH = {
  clip: { cpu: 16, accelerator: 256 },
  siglip: { cpu: 16, accelerator: 256 },
  // Rows of the text decoder: one for each beam.
  blip: { cpu: 8, accelerator: 128 },
} as const;

/**
 * The batch size, in rows, beyond which throughput no longer grows. Measured for the CPU, estimated for accelerators.
 * @param device "cpu", "cuda:0", …
 */
export function maxUsefulBatch(architecture: ModelDescription["architecture"], device: string): number {
  return MAX_USEFUL_BATCH[architecture][device === "cpu" ? "cpu" : "accelerator"];
}
