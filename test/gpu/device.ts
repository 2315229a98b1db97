import { devices } from "clip-blip";

/** The first CUDA device, or why there is none: the reason that skipped tests print. */
export function findGpu(): { name: `cuda:${number}`; total: number } | { missing: string } {
  try {
    const gpu = devices().find((device) => device.name.startsWith("cuda:"));
    if (gpu) return { name: gpu.name as `cuda:${number}`, total: gpu.memory.total };
    return { missing: "LibTorch finds no CUDA device on this machine" };
  } catch (error) {
    return { missing: `LibTorch does not load: ${(error as Error).message}` };
  }
}
