import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ClipBlipError } from "../../common/errors.js";
import { cacheRoot, type LibTorchVariant, parseCacheName } from "./cache.js";
import { hasNvidiaDriver } from "./driver.js";
import { minorOf, PINNED_LIBTORCH, readVersion } from "./version.js";

/** Where a LibTorch was found. */
export type LibTorchSource = "LIBTORCH" | "cache" | "python";

/** A LibTorch on this machine. */
export interface LibTorchLocation {
  /** The folder with `lib`, `include` and `share`: Python's torch package or an unzipped LibTorch. */
  root: string;
  /** The folder with the shared libraries. */
  libDir: string;
  /** Such as "2.13.0". */
  version: string;
  /** "cpu", or the CUDA version in PyTorch's form, such as "cu130". */
  build: string;
  /** Whether it can use an NVIDIA GPU. */
  cuda: boolean;
  source: LibTorchSource;
  /** The location as the user knows it: the value of LIBTORCH, the cache folder, or Python's torch package. */
  path: string;
}

/** A LibTorch that was found but cannot be used. */
export interface SkippedLibTorch {
  source: LibTorchSource;
  path: string;
  /** Why, as a clause: "is version 2.9.1, but 2.13 is needed". */
  reason: string;
}

/** The result of a search, with what it skipped. */
export interface LibTorchSearch {
  location?: LibTorchLocation;
  skipped: SkippedLibTorch[];
}

/** The inputs of a search; tests replace them. */
export interface SearchOptions {
  env?: NodeJS.ProcessEnv | undefined;
  /** The release that the addon was built for; a LibTorch of another minor release is skipped. */
  version?: string | undefined;
  /** Finds Python's torch package; undefined if there is none. */
  pythonTorch?: (env: NodeJS.ProcessEnv) => string | undefined;
}

/**
 * Looks for LibTorch in the LIBTORCH variable, the user's cache and Python's torch package, in this order.
 *
 * Throws if LIBTORCH is set but invalid: the user chose it, so nothing else may silently replace it. Its version is
 * checked later, when the addon is loaded or built.
 */
export function searchLibTorch(options: SearchOptions = {}): LibTorchSearch {
  const { env = process.env, version = PINNED_LIBTORCH, pythonTorch = findPythonTorch } = options;
  if (env.LIBTORCH) return { location: fromVariable(env.LIBTORCH), skipped: [] };

  const skipped: SkippedLibTorch[] = [];
  const take = (root: string, source: LibTorchSource, path: string): LibTorchLocation | undefined => {
    const found = describe(root, source, path);
    if (!found) {
      skipped.push({ source, path, reason: "is incomplete" });
      return undefined;
    }
    if (minorOf(found.version) === minorOf(version)) return found;
    skipped.push({ source, path, reason: `is version ${found.version}, but ${minorOf(version)} is needed` });
    return undefined;
  };

  for (const folder of cachedFolders(env)) {
    const location = take(join(folder, "torch"), "cache", folder);
    if (location) return { location, skipped };
  }
  const python = pythonTorch(env);
  const location = python === undefined ? undefined : take(python, "python", python);
  return location ? { location, skipped } : { skipped };
}

/**
 * The LibTorch to use, or undefined if this machine has none.
 * @throws ClipBlipError ERR_LIBTORCH_NOT_FOUND if LIBTORCH is set but invalid
 */
export function findLibTorch(options: SearchOptions = {}): LibTorchLocation | undefined {
  return searchLibTorch(options).location;
}

/**
 * The LibTorch to use.
 * @throws ClipBlipError ERR_LIBTORCH_NOT_FOUND, with what to run, if this machine has none
 */
export function locateLibTorch(options: SearchOptions = {}): LibTorchLocation {
  const { location, skipped } = searchLibTorch(options);
  if (location) return location;
  const seen = skipped.map(({ path, reason }) => `${path} ${reason}`).join("; ");
  throw new ClipBlipError(
    "ERR_LIBTORCH_NOT_FOUND",
    `LibTorch ${minorOf(options.version ?? PINNED_LIBTORCH)} was not found${seen ? ` (${seen})` : ""}: ` +
      "run `npx clip-blip setup`, or set LIBTORCH to the folder of a LibTorch.",
  );
}

/** The name of LibTorch's main library on a platform. */
function mainLibrary(): string {
  if (process.platform === "win32") return "torch_cpu.dll";
  return process.platform === "darwin" ? "libtorch_cpu.dylib" : "libtorch_cpu.so";
}

function cudaLibrary(): string {
  return process.platform === "win32" ? "torch_cuda.dll" : "libtorch_cuda.so";
}

/** The LibTorch in `root`; undefined if its libraries or its version are missing. */
function describe(root: string, source: LibTorchSource, path: string): LibTorchLocation | undefined {
  const libDir = join(root, "lib");
  if (!existsSync(join(libDir, mainLibrary()))) return undefined;
  const version = readVersion(root);
  return version && { root, libDir, ...version, cuda: existsSync(join(libDir, cudaLibrary())), source, path };
}

/**
 * LIBTORCH may be the torch package, an unzipped LibTorch, a folder that contains either, or the `lib` folder itself.
 */
function fromVariable(value: string): LibTorchLocation {
  const folder = resolve(value);
  const roots = [folder, join(folder, "torch"), join(folder, "libtorch")];
  if (basename(folder) === "lib") roots.push(dirname(folder));
  const root = roots.find((candidate) => existsSync(join(candidate, "lib", mainLibrary())));
  const location = root === undefined ? undefined : describe(root, "LIBTORCH", value);
  if (location) return location;
  const problem =
    root === undefined
      ? `has no lib${process.platform === "win32" ? "\\" : "/"}${mainLibrary()}`
      : "has no readable version (version.py or build-version)";
  throw new ClipBlipError(
    "ERR_LIBTORCH_NOT_FOUND",
    `LIBTORCH is set to ${value}, which ${problem}: set it to the folder of a LibTorch, or unset it and run ` +
      "`npx clip-blip setup`.",
  );
}

/** The LibTorch folders in the cache, the best for this machine first. */
function cachedFolders(env: NodeJS.ProcessEnv): string[] {
  const root = cacheRoot(env);
  if (!existsSync(root)) return [];
  const preferred: LibTorchVariant = hasNvidiaDriver(env) ? "cuda" : "cpu";
  return readdirSync(root)
    .map((name) => ({ name, parsed: parseCacheName(name) }))
    .filter(({ parsed }) => parsed !== undefined)
    .sort((a, b) => {
      const rank = (entry: typeof a) => (entry.parsed!.variant === preferred ? 0 : 1);
      return rank(a) - rank(b) || b.name.localeCompare(a.name, "en", { numeric: true });
    })
    .map(({ name }) => join(root, name));
}

/**
 * Asks python3 where it would import torch from, without importing it. The working directory, which `-c` adds, is
 * removed from the search path first: a folder named torch there is not an installed package.
 */
function findPythonTorch(env: NodeJS.ProcessEnv): string | undefined {
  const script = [
    "import sys",
    "sys.path = [p for p in sys.path if p]",
    "import importlib.util",
    "spec = importlib.util.find_spec('torch')",
    "sys.stdout.write(spec.origin if spec and spec.origin else '')",
  ].join("\n");
  const command = process.platform === "win32" ? "python" : "python3";
  const result = spawnSync(command, ["-c", script], {
    env: { ...env, PYTHONIOENCODING: "utf-8" },
    encoding: "utf8",
    timeout: 5_000,
    windowsHide: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  // A missing, broken or slow python3 is treated the same: no LibTorch from there.
  const origin = result.status === 0 ? result.stdout.trim() : "";
  return origin ? dirname(origin) : undefined;
}
