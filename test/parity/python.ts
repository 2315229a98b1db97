import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * A Python that has the pinned transformers: the one in CLIP_BLIP_PYTHON, else a virtual environment in the user's cache that is made on
 * the first call (some minutes, about 1 GB).
 */
export function pythonWithTransformers(): string {
  const given = process.env.CLIP_BLIP_PYTHON;
  if (given) return given;
  const directory = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "clip-blip", "parity-python");
  const python = join(directory, "bin", "python");
  const requirements = fileURLToPath(new URL("requirements.txt", import.meta.url));
  if (!existsSync(python)) run("python3", ["-m", "venv", directory]);
  // torch comes first and alone: another package must not pull in a newer build with several gigabytes of CUDA.
  run(python, ["-m", "pip", "install", "--quiet", "torch==2.13.0"]);
  run(python, ["-m", "pip", "install", "--quiet", "-r", requirements]);
  return python;
}

function run(command: string, parameters: string[]): void {
  const { status } = spawnSync(command, parameters, { stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw new Error(`${command} ${parameters.join(" ")} failed`);
}
