import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ClipBlipError } from "./errors.js";

/** webpack's and Rspack's, in what they bundle. They write the address of the source in place of `import.meta.url`. */
declare const __webpack_require__: unknown;

let root: string | undefined;

/**
 * Path of a file of this package.
 * @throws ClipBlipError ERR_BUNDLED if this code runs from a bundle, which has none of the files
 */
export function packagePath(relative: string): string {
  root ??= packageRoot();
  return join(root, relative);
}

/** A `require` that looks for modules where this package does. It throws as `packagePath` does. */
export function packageRequire(): NodeJS.Require {
  // First of all, as webpack drops the call.
  const file = packagePath("package.json");
  return createRequire(file);
}

/** `lib/common` and `dist/common` are equally deep below the root. */
function packageRoot(): string {
  try {
    const here = fileURLToPath(import.meta.url);
    // Not as a new URL relative to it: bundlers take that for a file to copy.
    const candidate = join(dirname(here), "..", "..");
    const { name } = JSON.parse(readFileSync(join(candidate, "package.json"), "utf8")) as { name?: string };
    if (name === "clip-blip" && typeof __webpack_require__ === "undefined") return candidate;
  } catch {
    // A bundle in CommonJS has no `import.meta.url`, and a bundle elsewhere no package.json two folders above.
  }
  throw new ClipBlipError(
    "ERR_BUNDLED",
    "clip-blip was bundled into another file and cannot find its addon and its models: keep it external, so that it " +
      'is loaded from node_modules. esbuild and Rollup: external: ["clip-blip"]; webpack: externals; Vite: ssr.external; ' +
      'Next.js: serverExternalPackages: ["clip-blip"]. See docs/guides/bundlers-and-runtimes.md.',
  );
}
