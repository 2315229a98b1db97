// Runs on `npm install` in this repository: compiles the TypeScript, makes sure that LibTorch is there, builds the addon.
// Each step is skipped when there is nothing to do. `--build` builds the addon even where there is a
// prebuilt one and no local build, which would hide it; `--sanitize` builds that of the tests with sanitizers, beside it.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile } from "./compile.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const localBuild = join(root, "build", "Release");
const prebuilt = join(root, "prebuilds", `${process.platform}-${process.arch}`);
const say = (line) => console.error(`clip-blip: ${line}`);

try {
  if (process.argv.includes("--sanitize")) await prepareSanitized();
  else await prepare(process.argv.includes("--build"));
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}

async function prepare(forceBuild) {
  compile();
  const { location, installed } = await libTorch();
  const wanted = forceBuild || binaryTime(localBuild) > 0 || binaryTime(prebuilt) === 0;
  const built = wanted && buildAddon(location);
  if (!installed && !built) return;
  const { checkLibTorch } = await import("../dist/native/check.js");
  const check = await checkLibTorch({ env: { ...process.env, LIBTORCH: location.root } });
  if (!check.ok) throw new Error(check.error.message);
  say(`ready: LibTorch ${check.report.torchVersion} on ${check.report.devices.map(({ name }) => name).join(", ")}`);
}

async function prepareSanitized() {
  compile();
  const { location } = await libTorch();
  buildAddon(location, "--sanitize");
}

async function libTorch() {
  const { findLibTorch } = await import("../dist/native/libtorch/find.js");
  const found = findLibTorch();
  if (found) return { location: found, installed: false };
  const { installLibTorch } = await import("../dist/setup/install.js");
  const { hasNvidiaDriver } = await import("../dist/native/libtorch/driver.js");
  const variant = hasNvidiaDriver() ? "cuda" : "cpu";
  say(`no LibTorch on this machine: installing the ${variant} build into your cache folder`);
  // The addon that would check it is built next, with its headers.
  const { location } = await installLibTorch({ variant, log: say, verify: false });
  return { location, installed: true };
}

/** Runs build-addon.mjs; says whether there is a new addon. */
function buildAddon(location, ...options) {
  const missing = missingTools();
  if (missing.length && binaryTime(localBuild) === 0) {
    const remedy = process.platform === "linux" ? ", on Debian and Ubuntu: apt-get install -y cmake g++" : "";
    throw new Error(`building the addon needs ${missing.join(" and ")}${remedy}`);
  }
  const before = binaryTime(localBuild);
  const script = join(root, "scripts", "build-addon.mjs");
  const { status, error } = spawnSync(process.execPath, [script, location.root, ...options], { stdio: "inherit" });
  if (error || status !== 0) throw new Error("building the addon failed: see above");
  return binaryTime(localBuild) !== before;
}

function missingTools() {
  const compilers = process.env.CXX ? [process.env.CXX.split(" ")[0]] : ["c++", "g++", "clang++", "cl"];
  const there = (tool) => !spawnSync(tool, ["--version"], { stdio: "ignore" }).error;
  return [...(there("cmake") ? [] : ["cmake"]), ...(compilers.some(there) ? [] : ["a C++ compiler (g++)"])];
}

/** When the newest addon in `folder` was written; 0 where there is none. */
function binaryTime(folder) {
  if (!existsSync(folder)) return 0;
  const files = readdirSync(folder).filter((name) => name.endsWith(".node"));
  return Math.max(0, ...files.map((name) => statSync(join(folder, name)).mtimeMs));
}
