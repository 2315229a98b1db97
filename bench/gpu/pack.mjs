// npm run gpu:pack: one archive with all that a machine without npm and without a network needs for record.mjs. LibTorch,
// Python, cmake and a compiler are there.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repositoryPath } from "../common/paths.mjs";
import { run } from "../common/run.mjs";

/** Folders and files of the repository that the record uses. */
const SOURCES = [
  "bench/common",
  "bench/compare",
  "bench/gpu",
  "dist",
  "lib",
  "models",
  "native",
  "test/counts-reporter.ts",
  "test/gpu",
  "test/library",
  "test/parity",
  "CMakeLists.txt",
  "package.json",
  "vitest.config.ts",
];
/** What it needs beside the library's own dependencies: to build, to write the record, and to run the tests. */
const TOOLS = ["node-api-headers", "node-addon-api", "markdown-table", "vitest", "tsx"];
/** Large, and not needed to run tests: Vite's style sheets, esbuild's second copy of its program. */
const LEFT_OUT = /node_modules\/(lightningcss|esbuild\/bin)/;
/** Compressed as its ending says. */
const archive = process.argv[2] ?? repositoryPath("build", "gpu-record.tar.xz");

/** The folders in node_modules of these packages and of all that they depend on, where they are installed. */
function installed(names) {
  const lock = JSON.parse(readFileSync(repositoryPath("package-lock.json"), "utf8")).packages;
  const found = new Set();
  const add = (name, from) => {
    for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
      const path = `${folder && `${folder}/`}node_modules/${name}`;
      if (!lock[path] && folder) continue;
      if (!lock[path] || found.has(path) || !existsSync(repositoryPath(path))) return;
      found.add(path);
      const { dependencies, optionalDependencies } = lock[path];
      for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies })) add(dependency, path);
      return;
    }
  };
  for (const name of names) add(name, "");
  return found;
}

const { dependencies } = JSON.parse(readFileSync(repositoryPath("package.json"), "utf8"));
const stage = mkdtempSync(join(tmpdir(), "clip-blip-gpu-pack-"));
try {
  const target = join(stage, "clip-blip");
  for (const path of [...SOURCES, ...installed([...Object.keys(dependencies), ...TOOLS])]) {
    const filter = (source) => !LEFT_OUT.test(source);
    cpSync(repositoryPath(path), join(target, path), { recursive: true, verbatimSymlinks: true, filter });
  }
  mkdirSync(join(target, "bin"), { recursive: true });
  // Without the names of its inner functions, an eighth of it. What addons link to stays.
  run("strip", ["-o", join(target, "bin", "node"), process.execPath]);
  run("tar", ["-caf", archive, "-C", stage, "clip-blip"], { env: { ...process.env, XZ_OPT: "-T0" } });
  console.log(`Unpack ${archive} there, and run: ./bin/node bench/gpu/record.mjs`);
} finally {
  rmSync(stage, { recursive: true, force: true });
}
