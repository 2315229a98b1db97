// What a machine with a card has, for a rehearsal: LibTorch over the stand-in, CUDA's headers, Python, a compiler.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { tsImport } from "tsx/esm/api";
import { repositoryPath } from "../common/paths.mjs";
import { run } from "../common/run.mjs";

/** The release of LibTorch on the machines with cards, the oldest that the addon works with. */
const TORCH = "2.11.0";
/** What CMake, the compiler and the parts start by name. npm, xz and the like are not among them: the record does without. */
const TOOLS = `cmake ninja make c++ g++ cc gcc as ld ar ranlib nm objdump readelf strip
  sh bash env cat sed grep uname sleep`.split(/\s+/);

const standin = (name) => tsImport(repositoryPath("test", "cuda-standin", name), import.meta.url);

/** Makes it in `folder`; resolves with the environment, which names nothing else of this machine. */
export async function machine(folder) {
  const { CACHE } = await standin("torch.ts");
  const { cudaHeaders } = await standin("headers.ts");
  const { buildLibraries } = await standin("libraries.ts");
  const { python, torch } = pythonWithTorch(join(CACHE, `python-${TORCH}`));
  const headers = await cudaHeaders();
  const made = repositoryPath("build", "cuda-standin", TORCH, "libraries");
  const libraries = await buildLibraries(torch, headers, made);
  const [home, temporary, bin] = ["home", "tmp", "bin"].map((name) => join(folder, name));
  for (const path of [home, temporary, bin]) mkdirSync(path);
  linkTools(bin);
  return {
    HOME: home,
    TMPDIR: temporary,
    PATH: bin,
    LD_LIBRARY_PATH: libraries,
    CUDA_HOME: cudaHome(headers, join(folder, "cuda"), join(CACHE, "cupti-13.0")),
    CLIP_BLIP_PYTHON: python,
    CLIP_BLIP_STANDIN: "1",
  };
}

/** Fills the one folder of the PATH: with what this machine has of the tools, and with a nvidia-smi that sees an idle card. */
export function linkTools(bin) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  for (const tool of TOOLS) {
    const found = folders.map((folder) => join(folder, tool)).find((path) => existsSync(path));
    if (found) symlinkSync(found, join(bin, tool));
  }
  writeFileSync(join(bin, "nvidia-smi"), NVIDIA_SMI, { mode: 0o755 });
}

const NVIDIA_SMI = `#!/bin/sh
case "$*" in *driver_version*) echo "stand-in, 0"; exit ;; esac
while :; do echo 0; sleep 0.1; done
`;

/**
 * The Python in CLIP_BLIP_PYTHON where it has transformers and the CUDA build of torch, else one in `folder`, which is made
 * on the first call (about 2 GB).
 */
function pythonWithTorch(folder) {
  const given = process.env.CLIP_BLIP_PYTHON;
  const torch = given && torchOf(given);
  if (torch) return { python: given, torch };
  const python = join(folder, "bin", "python");
  if (!torchOf(python)) {
    if (!existsSync(python)) run("python3", ["-m", "venv", folder]);
    const install = (...args) => run(python, ["-m", "pip", "install", "--quiet", ...args]);
    // Letter by letter: "==" is also content with a CPU build. Without CUDA's libraries: torch takes those beside it first.
    install("--no-deps", `torch===${TORCH}`);
    install("filelock", "fsspec", "jinja2", "networkx", "setuptools<82", "sympy", "typing-extensions");
    const others = readFileSync(repositoryPath("test", "parity", "requirements.txt"), "utf8").split("\n");
    install(...others.filter((line) => line && !/^(#|torch\b)/.test(line)));
  }
  return { python, torch: torchOf(python) };
}

/** The folder of a Python's torch where it is the release that is wanted, for CUDA and without CUDA's libraries beside it. */
function torchOf(python) {
  const { status, stdout } = spawnSync(python, ["-c", TORCH_OF, TORCH], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

// Without an import of torch, which would need CUDA's libraries.
const TORCH_OF = `
import glob, importlib.metadata, importlib.util, os, sys
importlib.metadata.version("transformers")
assert importlib.metadata.version("torch").split("+")[0] == sys.argv[1]
folder = os.path.dirname(importlib.util.find_spec("torch").origin)
assert os.path.exists(folder + "/lib/libtorch_cuda.so") and not glob.glob(folder + "/../nvidia/*/lib/libcudart.so*")
print(folder)
`;

/** A folder as the toolkit's, with CUPTI: the toolkit of these headers, else `folder` with CUPTI from its wheel. */
function cudaHome(headers, folder, cache) {
  const toolkit = dirname(headers);
  const parts = [toolkit, join(toolkit, "extras", "CUPTI")];
  if (parts.some((part) => existsSync(join(part, "include", "cupti.h")))) return toolkit;
  const cupti = join(cache, "nvidia", "cu13");
  if (!existsSync(join(cupti, "include", "cupti.h"))) {
    run("python3", ["-m", "pip", "install", "--quiet", "--no-deps", "--target", cache, "nvidia-cuda-cupti==13.0.*"]);
  }
  mkdirSync(join(folder, "extras"), { recursive: true });
  symlinkSync(headers, join(folder, "include"));
  symlinkSync(cupti, join(folder, "extras", "CUPTI"));
  return folder;
}
