import { existsSync, readdirSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import nodeGypBuild from "node-gyp-build";
import { ClipBlipError, messageOf } from "../common/errors.js";
import { packagePath, packageRequire } from "../common/package-path.js";
import type { LibTorchLocation } from "./libtorch/find.js";
import { minorOf } from "./libtorch/version.js";
import type { NativeBinding } from "./types.js";

/** Exports of the loader addon, which does not link LibTorch and opens it for the main addon. */
interface Loader {
  /** The LibTorch release that both addons were built with, such as "2.13.0". */
  builtForTorch: string;
  /** Opens the libraries in order, for the whole process and permanently. */
  openLibraries(paths: string[]): void;
}

/** LibTorch's libraries, in the order in which they are opened; only a CUDA build has those of CUDA. */
const LIBRARIES = [
  { name: "libc10.so", required: true },
  { name: "libtorch_cpu.so", required: true },
  { name: "libc10_cuda.so", required: false },
  { name: "libtorch_cuda.so", required: false },
  { name: "libtorch.so", required: true },
];

/**
 * Loads the addon with the LibTorch that `locate` finds; called once per thread.
 * @throws ClipBlipError ERR_LIBTORCH_NOT_FOUND, ERR_LIBTORCH_VERSION, ERR_PLATFORM
 */
export function loadNative(locate: () => Pick<LibTorchLocation, "libDir" | "version">): NativeBinding {
  // First of all: without an addon, installing LibTorch would be pointless.
  const { loader, path } = loadLoader();
  const { libDir: torchLibDir, version: torchVersion } = locate();
  if (minorOf(loader.builtForTorch) !== minorOf(torchVersion)) {
    throw new ClipBlipError(
      "ERR_LIBTORCH_VERSION",
      `The addon was built for LibTorch ${minorOf(loader.builtForTorch)}, but ${torchLibDir} has ${torchVersion}: run ` +
        `\`npx clip-blip setup\` and unset LIBTORCH, or build the addon for this version: ${buildIt()}.`,
    );
  }

  const libraries = librariesIn(torchLibDir);
  try {
    loader.openLibraries(libraries);
  } catch (cause) {
    throw new ClipBlipError(
      "ERR_LIBTORCH_NOT_FOUND",
      `LibTorch in ${torchLibDir} cannot be loaded (${messageOf(cause)}): install it again with \`npx clip-blip setup\`.`,
      { cause },
    );
  }

  const addon = join(dirname(path), "clip_blip_torch.so");
  if (!existsSync(addon)) throw missingAddon(`${addon} is missing`);
  const module = { exports: {} as NativeBinding };
  try {
    process.dlopen(module, addon, constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_LOCAL);
  } catch (cause) {
    throw new ClipBlipError(
      "ERR_LIBTORCH_VERSION",
      `The addon does not match LibTorch ${torchVersion} in ${torchLibDir} (${messageOf(cause)}): run ` +
        `\`npx clip-blip setup\`, or build the addon for this version: ${buildIt()}.`,
      { cause },
    );
  }
  return module.exports;
}

/** The loader addon: a local build, or a published binary. */
function loadLoader(): { loader: Loader; path: string } {
  const root = packagePath(".");
  let path: string;
  try {
    path = nodeGypBuild.path(root);
  } catch (cause) {
    if (!existsSync(packagePath("prebuilds"))) throw incompleteCopy(cause);
    throw missingAddon(`clip-blip has no addon for ${process.platform}-${process.arch}`, cause);
  }
  try {
    return { loader: packageRequire()(path) as Loader, path };
  } catch (cause) {
    throw missingAddon(`${path} cannot be loaded (${messageOf(cause)})`, cause);
  }
}

/** Tools that trace which files a program needs do not see that the addon is one of them. */
function incompleteCopy(cause: unknown): ClipBlipError {
  return new ClipBlipError(
    "ERR_BUNDLED",
    `${packagePath(".")} is a part of clip-blip only, without its folder prebuilds: copy the whole package, as ` +
      "docs/guides/bundlers-and-runtimes.md says for tools that trace files.",
    { cause },
  );
}

function missingAddon(problem: string, cause?: unknown): ClipBlipError {
  const remedy = `use a platform with a published addon (${publishedPlatforms().join(", ") || "there is none"}), or ${buildIt()}`;
  return new ClipBlipError("ERR_PLATFORM", `${problem}: ${remedy}.`, { cause });
}

/** How to build the addon; the npm package itself has no sources. */
function buildIt(): string {
  return existsSync(packagePath("CMakeLists.txt"))
    ? `run \`npm run build:addon\` in ${packagePath(".")}`
    : "run `npm run build:addon` in a clone of its repository";
}

/** Such as "linux-x64 with glibc". */
function publishedPlatforms(): string[] {
  const folder = packagePath("prebuilds");
  const entries = existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : [];
  return entries
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => {
      const libc = readdirSync(join(folder, name)).map((file) => /\.(glibc|musl)\.node$/.exec(file)?.[1]);
      return libc.filter((one) => one !== undefined).map((one) => `${name} with ${one}`);
    })
    .sort();
}

/** The full paths of the LIBRARIES that exist in the folder. */
function librariesIn(folder: string): string[] {
  const present = new Set(existsSync(folder) ? readdirSync(folder) : []);
  const missing = LIBRARIES.find(({ name, required }) => required && !present.has(name));
  if (missing) {
    throw new ClipBlipError(
      "ERR_LIBTORCH_NOT_FOUND",
      `${folder} has no ${missing.name}: install LibTorch with \`npx clip-blip setup\`, or set LIBTORCH to its folder.`,
    );
  }
  return LIBRARIES.filter(({ name }) => present.has(name)).map(({ name }) => join(folder, name));
}
