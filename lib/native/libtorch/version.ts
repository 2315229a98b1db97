import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The LibTorch release that `clip-blip setup` installs and that the published binaries are built for. */
export const PINNED_LIBTORCH = "2.13.0";

/** A LibTorch release and how it was built. */
export interface LibTorchVersion {
  /** Such as "2.13.0". */
  version: string;
  /** "cpu", or CUDA's version as PyTorch writes it, such as "cu130". */
  build: string;
}

/** "2.13" of "2.13.0": releases that share it share their binary interface. */
export function minorOf(version: string): string {
  return version.split(".").slice(0, 2).join(".");
}

/** "2.13.0+cpu" in its two parts; undefined for anything that does not start with three numbers. */
export function parseVersion(text: string): LibTorchVersion | undefined {
  const match = /^(\d+\.\d+\.\d+)[^+\s]*(?:\+(\S+))?$/.exec(text.trim());
  if (!match) return undefined;
  return { version: match[1]!, build: match[2] ?? "cpu" };
}

/**
 * The version of the LibTorch in `root`: of `version.py` where it is Python's torch package (its text is read, never
 * run), of `build-version` where it is an unzipped libtorch. Undefined where neither says it.
 */
export function readVersion(root: string): LibTorchVersion | undefined {
  const python = join(root, "version.py");
  if (existsSync(python)) return parseVersionPy(readFileSync(python, "utf8"));
  const zip = join(root, "build-version");
  if (existsSync(zip)) return parseVersion(readFileSync(zip, "utf8"));
  return undefined;
}

/** The two lines of torch's version.py that matter: `__version__ = '2.13.0+cu130'` and `cuda: Optional[str] = '13.0'`. */
function parseVersionPy(text: string): LibTorchVersion | undefined {
  const release = /^__version__\s*=\s*['"]([^'"]+)['"]/m.exec(text)?.[1];
  const parsed = release === undefined ? undefined : parseVersion(release);
  if (!parsed || release?.includes("+")) return parsed;
  // A build from source, or a distribution's, need not say "+cu130".
  const cuda = /^cuda(?:\s*:[^=\n]*)?\s*=\s*['"]([\d.]+)['"]/m.exec(text)?.[1];
  return cuda === undefined ? parsed : { ...parsed, build: `cu${cuda.replaceAll(".", "")}` };
}
