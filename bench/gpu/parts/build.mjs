// Builds the addon with cmake alone: there may be no npm here.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { repositoryPath } from "../../common/paths.mjs";
import { run } from "../../common/run.mjs";
import { figure, settings } from "../settings.mjs";

const { libtorch, device } = settings();
const require = createRequire(import.meta.url);
const packageFolder = (name) => dirname(require.resolve(`${name}/package.json`));
const work = repositoryPath("build", "gpu-record");
const release = repositoryPath("build", "Release");
const ninja = spawnSync("ninja", ["--version"], { stdio: "ignore" }).status === 0;

const started = performance.now();
run("cmake", [
  ...["-S", repositoryPath(), "-B", work, "-DCMAKE_BUILD_TYPE=Release", `-DLIBTORCH_ROOT=${libtorch}`],
  ...(ninja ? ["-G", "Ninja"] : []),
  `-DNODE_API_HEADERS=${join(packageFolder("node-api-headers"), "include")}`,
  `-DNODE_ADDON_API=${packageFolder("node-addon-api")}`,
]);
const parallel = process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(availableParallelism());
run("cmake", ["--build", work, "--parallel", parallel]);
mkdirSync(release, { recursive: true });
const made = readdirSync(join(work, "Release")).filter((name) => /^clip_blip.*\.(node|so)$/.test(name));
for (const name of made) {
  // Removed first: a running process keeps the file that it has mapped.
  rmSync(join(release, name), { force: true });
  copyFileSync(join(work, "Release", name), join(release, name));
}
const graphs = made.includes("clip_blip_cuda.so");
figure({ kind: "build", seconds: (performance.now() - started) / 1000, graphs });
if (!graphs && device !== "cpu") throw new Error("clip_blip_cuda.so was not built: CMake found no headers of CUDA");
