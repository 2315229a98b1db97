import { fileURLToPath } from "node:url";

/** Path of a file of this package; `lib/` and `dist/` are equally deep below the package's root. */
export function packagePath(relative: string): string {
  return fileURLToPath(new URL(`../${relative}`, import.meta.url));
}
