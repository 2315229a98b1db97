import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cacheRoot } from "../../lib/native/libtorch/cache.js";
import { readVersion } from "../../lib/native/libtorch/version.js";
import { Missing } from "./missing.js";
import { pip, run } from "./shell.js";

/** Where wheels are kept, unpacked. */
export const CACHE = join(cacheRoot(), "cuda-standin");

/** PyPI's names for this machine. */
const PLATFORM = `manylinux_2_28_${process.arch === "arm64" ? "aarch64" : "x86_64"}`;

/** Of a wheel of torch, what an addon is built and run with. */
const NEEDED_OF_TORCH = "torch/(lib|include)/|torch/version\\.py$";

/**
 * The torch package of a release's CUDA build: one of those that CLIP_BLIP_CUDA_TORCH names (a list with ":"), else that of
 * the cache, where pip puts it without what it depends on. Throws Missing.
 */
export async function cudaTorch(version: string): Promise<string> {
  const named = (process.env.CLIP_BLIP_CUDA_TORCH ?? "").split(":").filter(Boolean);
  const given = named.find((folder) => readVersion(folder)?.version === version);
  if (given) return requireCuda(given);
  const folder = join(CACHE, `torch-${version}`);
  if (!existsSync(folder)) {
    // Letter by letter: "==" is also content with a CPU build, such as 2.13.0+cpu, that pip's settings may name.
    await unpackWheels(folder, [`torch===${version}`], NEEDED_OF_TORCH);
  }
  return requireCuda(join(folder, "torch"));
}

function requireCuda(folder: string): string {
  if (existsSync(join(folder, "lib", "libtorch_cuda.so"))) return folder;
  throw new Missing(`${folder} is no CUDA build of torch`);
}

/** Downloads wheels and unpacks what of them matches a pattern into `folder`, which is there as a whole or not at all. */
export async function unpackWheels(folder: string, requirements: string[], pattern: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const temporary = await mkdtemp(`${folder}.`);
  try {
    const wheels = join(temporary, "wheels");
    const platforms = [PLATFORM, PLATFORM.replace("_2_28_", "2014_")].flatMap((name) => ["--platform", name]);
    const fixed = ["--no-deps", "--only-binary", ":all:", "--python-version", "3.12", "--progress-bar", "off"];
    for (const requirement of requirements)
      await pip("download", ...fixed, ...platforms, "--dest", wheels, requirement);
    const content = join(temporary, "content");
    for (const wheel of await readdir(wheels)) {
      await run("python3", ["-c", UNPACK, join(wheels, wheel), content, pattern]);
    }
    await rename(content, folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

const UNPACK = `
import re, sys, zipfile
wheel, folder, pattern = sys.argv[1:]
archive = zipfile.ZipFile(wheel)
archive.extractall(folder, [name for name in archive.namelist() if re.match(pattern, name)])
`;
