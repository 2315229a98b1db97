import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { removeStaleCache } from "../../scripts/stale-cache.mjs";
import { repositoryPath } from "../library/models.js";
import { run } from "./shell.js";

const require = createRequire(import.meta.url);
const packageFolder = (name: string) => dirname(require.resolve(`${name}/package.json`));

/**
 * Builds the addon over a torch package, with what records CUDA graphs, in `folder`: what has not changed is not built
 * again. Gives the folder that CLIP_BLIP_PREBUILD names.
 */
export async function buildAddon(torch: string, headers: string, folder: string): Promise<string> {
  const work = join(folder, "cmake");
  removeStaleCache(work, repositoryPath("."));
  const generator = (await run("ninja", ["--version"]).catch(() => "")) === "" ? [] : ["-G", "Ninja"];
  await run("cmake", [
    ...["-S", repositoryPath("."), "-B", work, ...generator, "-DCMAKE_BUILD_TYPE=Release"],
    `-DLIBTORCH_ROOT=${torch}`,
    `-DCUDA_INCLUDE_DIR=${headers}`,
    `-DNODE_API_HEADERS=${join(packageFolder("node-api-headers"), "include")}`,
    `-DNODE_ADDON_API=${packageFolder("node-addon-api")}`,
    `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${join(folder, "build", "Release")}`,
  ]);
  await run("cmake", [
    "--build",
    work,
    "--parallel",
    process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(availableParallelism()),
  ]);
  return folder;
}
