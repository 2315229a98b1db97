// Builds the addon and puts it, stripped, into prebuilds/<platform>-<arch>: `node scripts/prebuild.mjs [--out folder]`.
// What it says goes to standard error, so that `npm pack`, which runs it, can be read by a program.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import prebuildify from "prebuildify";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({ options: { out: { type: "string", default: root } } });

const script = join(root, "scripts", "prepare.mjs");
const { status } = spawnSync(process.execPath, [script, "--build"], { stdio: ["ignore", 2, 2] });
if (status !== 0) process.exit(status ?? 1);

// prebuildify moves and strips what it finds: it gets copies, so that the local build stays whole.
const stage = join(root, "build", "prebuild");
const staged = join(stage, "build", "Release");
rmSync(stage, { recursive: true, force: true });
mkdirSync(staged, { recursive: true });
// The second is the addon over LibTorch, which the first, the loader, looks for beside itself; the third, for CUDA
// graphs, is there only where it could be built.
for (const name of ["clip_blip.node", "clip_blip_torch.so", "clip_blip_cuda.so"]) {
  const built = join(root, "build", "Release", name);
  if (existsSync(built) || !name.includes("cuda")) copyFileSync(built, join(staged, name));
}
await promisify(prebuildify)({
  name: "clip-blip",
  napi: true,
  strip: true,
  tagLibc: true,
  cwd: stage,
  out: values.out,
  // In place of node-gyp: CMake has built it already.
  nodeGyp: "true",
});
rmSync(stage, { recursive: true });
