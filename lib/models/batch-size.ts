import type { ModelDescription } from "../checkpoint/description.js";

const MAX_USEFUL_BATCH = {
  clip: { cpu: 16, accelerator: 256 },
  siglip: { cpu: 16, accelerator: 256 },
  // Of the text decoder, where each beam is a row.
  blip: { cpu: 8, accelerator: 128 },
} as const;

/**
 * Rows of a batch above which larger batches are no faster. Measured on a CPU; for accelerators an assumption.
 * @param device "cpu", "cuda:0", …
 */
export function maxUsefulBatch(architecture: ModelDescription["architecture"], device: string): number {
  return MAX_USEFUL_BATCH[architecture][device === "cpu" ? "cpu" : "accelerator"];
}
