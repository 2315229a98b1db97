import { existsSync } from "node:fs";
import { join } from "node:path";
import { run, succeeds } from "./run.mjs";

/** PyTorch's own index of CPU builds: on Linux the default index has the CUDA build only. */
const CPU_INDEX = ["--extra-index-url", "https://download.pytorch.org/whl/cpu"];
const TORCH = "torch==2.13.0";

/**
 * A Python that has certain packages: the one in CLIP_BLIP_PYTHON where it has them, else a virtual environment in `directory`, which
 * is made on the first call (some minutes, about 1 GB).
 *
 * @param imports names of the modules that it must have
 */
export function pythonWith({ imports, requirements, directory }) {
  const given = process.env.CLIP_BLIP_PYTHON;
  if (given && succeeds(given, ["-c", `import ${imports.join(", ")}`])) return given;
  const python = join(directory, "bin", "python");
  if (!existsSync(python)) run("python3", ["-m", "venv", directory]);
  if (succeeds(python, ["-c", `import ${imports.join(", ")}`])) return python;
  // torch comes first and alone: another package must not pull in a newer build with several gigabytes of CUDA.
  const install = (...args) => run(python, ["-m", "pip", "install", "--quiet", ...args]);
  try {
    install(...CPU_INDEX, `${TORCH}+cpu`);
  } catch {
    install(TORCH);
  }
  install("-r", requirements);
  return python;
}
