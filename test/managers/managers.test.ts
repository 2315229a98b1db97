// `npm run test:package`: pnpm and yarn come from the registry first, which takes too long for `npm test`.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import { findLibTorch } from "../../dist/native/libtorch/find.js";
import {
  bareEnvironment,
  CAPTION_ESM,
  emptyProject,
  expectedCaption,
  packRepository,
  runNode,
  runNpm,
} from "../package/pack.js";

const folder = mkdtempSync(join(tmpdir(), "clip-blip-managers-"));
const bare = bareEnvironment(folder, findLibTorch()!.root);
/** With caches of their own, so that nothing stays behind. */
const environment = {
  ...bare,
  XDG_DATA_HOME: join(folder, "data"),
  XDG_CACHE_HOME: join(folder, "cache"),
  XDG_STATE_HOME: join(folder, "state"),
};
let tarball: string;
let tools: string;
let expected: string;

beforeAll(async () => {
  ({ tarball } = packRepository(folder));
  tools = emptyProject(folder, "tools");
  // The last ones that run on Node 20.
  runNpm(tools, ["install", "--ignore-scripts", "--prefix", tools, "pnpm@10", "yarn@1"]);
  expected = await expectedCaption();
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("other package managers", () => {
  for (const [name, program, ...options] of [
    ["pnpm", "pnpm/bin/pnpm.cjs", "--store-dir", join(folder, "store")],
    ["yarn", "yarn/bin/yarn.js", "--no-lockfile", "--cache-folder", join(folder, "cache")],
  ] as [string, string, ...string[]][]) {
    it(`${name} installs it, and it captions`, () => {
      const project = emptyProject(folder, name);
      writeFileSync(join(project, "package.json"), '{"private": true}');
      const command = [join(tools, "node_modules", program), "add", "--ignore-scripts", ...options, `file:${tarball}`];
      execFileSync(process.execPath, command, { cwd: project, env: environment, stdio: "pipe" });
      writeFileSync(join(project, "caption.mjs"), CAPTION_ESM);
      assert.equal(runNode(project, ["caption.mjs"], bare), expected);
    });
  }
});
