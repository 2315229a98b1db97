import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CACHE, unpackWheels } from "./torch.js";

/** The release of CUDA that the wheels of torch are built for, and so the libraries' names. */
const CUDA = 13;

/** The folder with CUDA's headers: the system's toolkit, else NVIDIA's packages on PyPI. Throws Missing. */
export async function cudaHeaders(): Promise<string> {
  const homes = [process.env.CUDA_HOME, process.env.CUDA_PATH, "/usr/local/cuda"];
  for (const home of homes) {
    const folder = join(home ?? "", "include");
    if (home && releaseOf(folder) === CUDA) return folder;
  }
  const folder = join(CACHE, `cuda-headers-${CUDA}.0`);
  if (!existsSync(folder)) {
    const packages = ["runtime", "crt"].map((name) => `nvidia-cuda-${name}==${CUDA}.0.*`);
    await unpackWheels(folder, packages, "nvidia/cu13/include/");
  }
  return join(folder, "nvidia", "cu13", "include");
}

function releaseOf(folder: string): number | undefined {
  const header = join(folder, "cuda_runtime_api.h");
  if (!existsSync(header)) return undefined;
  const version = /^#define CUDART_VERSION\s+(\d+)/m.exec(readFileSync(header, "utf8"))?.[1];
  return version === undefined ? undefined : Math.floor(Number(version) / 1000);
}
