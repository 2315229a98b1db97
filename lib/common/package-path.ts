import { fileURLToPath } from "node:url";

/** Path of a file of this package; `lib/common` and `dist/common` are equally deep below its root. */
export function packagePath(relative: string): string {
  return fileURLToPath(new URL(`../../${relative}`, import.meta.url));
}
