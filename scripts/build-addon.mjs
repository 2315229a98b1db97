// Builds the native addon: `node scripts/build-addon.mjs [libtorch root] [--sanitize] [-- cmake options]`.
//
// Without a root it takes LIBTORCH, then the torch package of python3. The two products are put into
// build/Release, where node-gyp-build looks (with CUDA graphs as a third where they can be built), and once more, with the addon that throws where tests tell it to,
// into build/faults/build/Release. CMake works in build/cmake. With --sanitize only the addon of the tests is made, under
// AddressSanitizer and UndefinedBehaviorSanitizer: into build/sanitize/build/Release, and CMake works in build/sanitize/cmake.
// Nothing is built where the products are up to date.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { removeStaleCache } from "./stale-cache.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const sanitize = process.argv.includes("--sanitize");
const build = sanitize ? join(root, "build", "sanitize") : join(root, "build");
const work = join(build, "cmake");
const release = sanitize ? join(build, "build", "Release") : join(build, "Release");
/** The addon of the tests, under the name that the loader opens. */
const ofTests = (folder) =>
  ["clip_blip.node", "clip_blip_faults.so"].map((made) => ({
    made,
    target: join(folder, made.replace("faults", "torch")),
  }));
/** What CMake makes, and where it goes. */
const products = sanitize
  ? ofTests(release)
  : [
      { made: "clip_blip.node", target: join(release, "clip_blip.node") },
      { made: "clip_blip_torch.so", target: join(release, "clip_blip_torch.so") },
      ...ofTests(join(build, "faults", "build", "Release")),
    ];

/** Made only with a CUDA build of LibTorch and CUDA's headers. */
const optional = { made: "clip_blip_cuda.so", target: join(release, "clip_blip_cuda.so") };

/** Ends with a sentence. */
function stop(message) {
  console.error(`build-addon: ${message}`);
  process.exit(1);
}

function parseArguments(argv) {
  const split = argv.indexOf("--");
  const own = split < 0 ? argv : argv.slice(0, split);
  return { libtorch: own.find((argument) => !argument.startsWith("-")), cmake: split < 0 ? [] : argv.slice(split + 1) };
}

/** Where python3 would import torch from. */
function pythonTorch() {
  const script = "import importlib.util as u; s = u.find_spec('torch'); print(s.origin if s and s.origin else '')";
  const result = spawnSync("python3", ["-c", script], { encoding: "utf8", cwd: "/" });
  const origin = result.status === 0 ? result.stdout.trim() : "";
  return origin === "" ? undefined : dirname(origin);
}

function libtorchRoot(given) {
  const found = given ?? process.env.LIBTORCH ?? pythonTorch();
  if (!found) stop("LibTorch was not found: name its folder, or set LIBTORCH to it.");
  const folder = resolve(found);
  // As the library does: a folder that holds one, and its lib folder, will do.
  const candidates = [folder, join(folder, "torch"), join(folder, "libtorch"), dirname(folder)];
  const match = candidates.find((candidate) => existsSync(join(candidate, "lib", "libtorch_cpu.so")));
  if (!match) stop(`${found} is not a LibTorch: it has no lib/libtorch_cpu.so.`);
  if (!existsSync(join(match, "include")))
    stop(`${match} has no headers (include): the addon cannot be built with it.`);
  return match;
}

function filesUnder(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? filesUnder(join(folder, entry.name)) : [join(folder, entry.name)]))
    .sort();
}

/** Changes with everything that the products depend on. */
function stampOf(libtorch, cmakeOptions) {
  const hash = createHash("sha256");
  const headers = ["torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"].map((path) =>
    join(libtorch, "include", path),
  );
  const sources = [join(root, "CMakeLists.txt"), ...filesUnder(join(root, "native")), ...headers.filter(existsSync)];
  for (const file of sources) hash.update(`${relative(root, file)}\0`).update(readFileSync(file));
  for (const name of ["node-api-headers", "node-addon-api"]) {
    hash.update(`${name}@${require(`${name}/package.json`).version}\0`);
  }
  hash.update(JSON.stringify([libtorch, cmakeOptions, process.arch]));
  return hash.digest("hex");
}

const { libtorch: given, cmake } = parseArguments(process.argv.slice(2));
const libtorch = libtorchRoot(given);
const stamp = stampOf(libtorch, cmake);
const stampFile = join(release, ".stamp");

if (
  existsSync(stampFile) &&
  readFileSync(stampFile, "utf8") === stamp &&
  products.every(({ target }) => existsSync(target))
) {
  console.log("build-addon: up to date");
  process.exit(0);
}

const options = { LIBTORCH_ROOT: libtorch, CLIP_BLIP_FAULTS: "ON" };
if (sanitize) options.CLIP_BLIP_SANITIZE = "ON";
for (const option of cmake) {
  const [, name, value] = /^-D([^=:]+)(?::[^=]*)?=(.*)$/.exec(option) ?? stop(`${option} is not -DNAME=VALUE.`);
  options[name] = value;
}
function cmakeJs(command, ...rest) {
  const script = require.resolve("cmake-js/bin/cmake-js");
  const fixed = ["--directory", root, "--out", work, "--log-level", "warn"];
  const environment = { ...process.env, LIBTORCH: libtorch };
  const result = spawnSync(process.execPath, [script, command, ...fixed, ...rest], {
    stdio: "inherit",
    cwd: root,
    env: environment,
  });
  if (result.status !== 0) stop(`cmake-js ${command} failed; what it said is above.`);
}

removeStaleCache(work, root);
// Configured each time: a folder from an earlier build may know another LibTorch.
cmakeJs("configure", ...Object.entries(options).map(([name, value]) => `--CD${name}=${value}`));
cmakeJs("build", "--parallel", process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? "2");

rmSync(stampFile, { force: true });
rmSync(optional.target, { force: true });
const extra = sanitize ? [] : [optional].filter((product) => existsSync(join(work, "Release", product.made)));
const made = [...products, ...extra];
for (const { made: name, target } of made) {
  mkdirSync(dirname(target), { recursive: true });
  // Removed first: a running process keeps the file that it has mapped.
  rmSync(target, { force: true });
  copyFileSync(join(work, "Release", name), target);
}
writeFileSync(stampFile, stamp);
console.log(`build-addon: built the addon in ${relative(process.cwd(), release) || release}`);
