import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The LibTorch release that `clip-blip setup` installs and that the published binaries are built for. */
export const PINNED_LIBTORCH = "2.13.0";

/** A LibTorch release and how it was built. */
export interface LibTorchVersion {
  /** Such as "2.13.0". */
  version: string;
  /** "cpu", or the CUDA version in PyTorch's form, such as "cu130". */
  build: string;
}

/** "2.13" of "2.13.0": releases with the same minor version have the same binary interface. */
export function minorOf(version: string): string {
  return version.split(".").slice(0, 2).join(".");
}

/** Splits "2.13.0+cpu" into its two parts; undefined if the text does not start with three numbers. */
export function parseVersion(text: string): LibTorchVersion | undefined {
  const match = /^(\d+\.\d+\.\d+)[^+\s]*(?:\+(\S+))?$/.exec(text.trim());
  if (!match) return undefined;
  return { version: match[1]!, build: match[2] ?? "cpu" };
}

/**
 * The version of the LibTorch in `root`, from `version.py` of Python's torch package (its text is read, never run) or
 * `build-version` of an unzipped LibTorch. Undefined if neither contains it.
 */
export function readVersion(root: string): LibTorchVersion | undefined {
  const python = join(root, "version.py");
  if (existsSync(python)) return parseVersionPy(readFileSync(python, "utf8"));
  const zip = join(root, "build-version");
  if (existsSync(zip)) return parseVersion(readFileSync(zip, "utf8"));
  return undefined;
}

/**
 * Reads the two relevant lines of torch's version.py: `__version__ = '2.13.0+cu130'` and `cuda: Optional[str] =
 * '13.0'`.
 */
function parseVersionPy(text: string): LibTorchVersion | undefined {
  const release = /^__version__\s*=\s*['"]([^'"]+)['"]/m.exec(text)?.[1];
  const parsed = release === undefined ? undefined : parseVersion(release);
  if (!parsed || release?.includes("+")) return parsed;
  // Builds from source and by distributions may lack "+cu130".
  const cuda = /^cuda(?:\s*:[^=\n]*)?\s*=\s*['"]([\d.]+)['"]/m.exec(text)?.[1];
  return cuda === undefined ? parsed : { ...parsed, build: `cu${cuda.replaceAll(".", "")}` };
}
