// `npm run test:package`: compiles the addon once, which takes minutes.
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import { afterAll, it } from "vitest";
import { findLibTorch } from "../../dist/native/libtorch/find.js";
import { repositoryPath } from "../library/models.js";
import { runNode, runNpm } from "../package/pack.js";

const folder = mkdtempSync(join(tmpdir(), "clip-blip-node-gyp-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Node's own headers, where they came with it: node-gyp would download them else. */
const nodedir = dirname(dirname(process.execPath));
const headers = existsSync(join(nodedir, "include", "node", "node_api.h")) ? { npm_config_nodedir: nodedir } : {};

// A compile takes 5 minutes on 2 cores that do nothing else.
it("node-gyp rebuild makes the local build and the addon of the tests anew", { timeout: 30 * 60_000 }, () => {
  const root = repositoryPath(".");
  const left = new Set([".git", "build", "node_modules", "prebuilds"]);
  cpSync(root, folder, { recursive: true, filter: (path) => !left.has(relative(root, path).split(sep)[0]!) });
  symlinkSync(repositoryPath("node_modules"), join(folder, "node_modules"));
  const env = { ...process.env, ...headers, LIBTORCH: findLibTorch()!.root };
  // npm has a node-gyp of its own, which it puts on the PATH of what it runs.
  runNpm(folder, ["exec", "-c", "node-gyp rebuild"], env);
  for (const build of ["build/Release", "build/faults/build/Release"]) {
    for (const file of ["clip_blip.node", "clip_blip_torch.so"])
      assert.ok(existsSync(join(folder, build, file)), build);
  }
  const program = 'import("./dist/native/instance.js").then(({ native }) => console.log(native().devices()[0].name))';
  assert.equal(runNode(folder, ["--eval", program], env), "cpu");
});
