// Compiles lib/ to dist/. Incremental: takes well under a second when nothing changed.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");

export function compile() {
  // tsc trusts its record of what it wrote; without this a deleted dist/ would stay empty.
  if (!existsSync(join(dist, "index.js"))) rmSync(join(root, "build", "lib.tsbuildinfo"), { force: true });
  removeOrphans();
  const require = createRequire(import.meta.url);
  const tsc = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");
  try {
    execFileSync(process.execPath, [tsc, "-p", root], { stdio: "inherit" });
  } catch {
    throw new Error("TypeScript did not compile: see above");
  }
  copyAssets();
  const program = join(dist, "cli", "main.js");
  if (existsSync(program)) chmodSync(program, 0o755);
}

/** What is served as it is, beside the modules that are compiled. */
function copyAssets() {
  for (const entry of readdirSync(join(root, "lib"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || /\.c?ts$/.test(entry.name)) continue;
    const file = join(entry.parentPath, entry.name);
    copyFileSync(file, join(dist, relative(join(root, "lib"), file)));
  }
}

/** Outputs whose source is gone would still be published. */
function removeOrphans() {
  if (!existsSync(dist)) return;
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const source = join(root, "lib", relative(dist, file));
    const compiled = source.replace(/\.d\.(c?)ts$|\.(c?)js$/, ".$1$2ts");
    if (!existsSync(source) && !existsSync(compiled)) rmSync(file);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    compile();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
