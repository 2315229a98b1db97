// npm run gpu:pack: one archive with all that a machine without npm and without a network needs for record.mjs. LibTorch,
// Python, cmake and a compiler are there.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { glob } from "tinyglobby";
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
  "test/parity",
  "CMakeLists.txt",
  "package.json",
];
/** What it needs beside the library's own dependencies. */
const TOOLS = ["node-api-headers", "node-addon-api", "markdown-table"];
/** Compressed as its ending says. */
const archive = process.argv[2] ?? repositoryPath("build", "gpu-record.tar.xz");

/** The library's dependencies with all that they depend on, where they are installed. */
function dependencies() {
  const lock = JSON.parse(readFileSync(repositoryPath("package-lock.json"), "utf8")).packages;
  const production = Object.keys(lock).filter((path) => {
    const { dev, peer, devOptional } = lock[path];
    return path.startsWith("node_modules/") && !dev && !peer && !devOptional;
  });
  return [...production, ...TOOLS.map((name) => `node_modules/${name}`)].filter((path) =>
    existsSync(repositoryPath(path)),
  );
}

const stage = mkdtempSync(join(tmpdir(), "clip-blip-gpu-pack-"));
try {
  const target = join(stage, "clip-blip");
  for (const path of [...SOURCES, ...dependencies()]) {
    cpSync(repositoryPath(path), join(target, path), { recursive: true, verbatimSymlinks: true });
  }
  // Beside test/ and as deep as it, so that relative paths from the tests still hold.
  await build({
    entryPoints: await glob(["test/gpu/*.ts", "test/library/*.ts"], {
      cwd: repositoryPath(),
      ignore: ["test/library/*.test.ts"],
    }),
    absWorkingDir: repositoryPath(),
    outbase: repositoryPath("test"),
    outdir: join(target, "test-compiled"),
    format: "esm",
    target: "node20",
  });
  mkdirSync(join(target, "bin"), { recursive: true });
  cpSync(process.execPath, join(target, "bin", "node"), { dereference: true });
  run("tar", ["-caf", archive, "-C", stage, "clip-blip"], { env: { ...process.env, XZ_OPT: "-T0" } });
  console.log(`Unpack ${archive} there, and run: ./bin/node bench/gpu/record.mjs`);
} finally {
  rmSync(stage, { recursive: true, force: true });
}
