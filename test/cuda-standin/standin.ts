import { join } from "node:path";
import { repositoryPath } from "../library/models.js";
import { buildAddon } from "./addon.js";
import { cudaHeaders } from "./headers.js";
import { buildLibraries } from "./libraries.js";
import { Missing } from "./missing.js";
import { cudaTorch } from "./torch.js";

/** The releases of LibTorch that the addon has to build and run with: the oldest, and the pinned one. */
export const VERSIONS = ["2.11.0", "2.13.0"];

/** A CUDA build of LibTorch over the stand-in, and the addon over it. */
export interface Standin {
  version: string;
  /** The torch package. */
  torch: string;
  /** The folder with the stand-in's libraries. */
  libraries: string;
  /** What CLIP_BLIP_PREBUILD names: build/Release is in it. */
  prebuild: string;
  /** What a program needs to run on it. */
  env: Record<string, string>;
}

/** Makes all of it for one release, or says in a sentence what this machine has not got. */
export async function prepare(version: string): Promise<Standin | { missing: string }> {
  if (process.platform !== "linux") return { missing: "The stand-in is for Linux." };
  try {
    const folder = repositoryPath(`build/cuda-standin/${version}`);
    const torch = await cudaTorch(version);
    const headers = await cudaHeaders();
    const libraries = await buildLibraries(torch, headers, join(folder, "libraries"));
    const prebuild = await buildAddon(torch, headers, folder);
    const env = { LD_LIBRARY_PATH: libraries, LIBTORCH: torch, CLIP_BLIP_PREBUILD: prebuild, OMP_NUM_THREADS: "1" };
    return { version, torch, libraries, prebuild, env };
  } catch (error) {
    if (error instanceof Missing) return { missing: `${error.message}.` };
    throw error;
  }
}
