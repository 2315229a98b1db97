import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, test } from "vitest";
import { importPeer, requirePeer } from "../../lib/common/peer.js";
import { repositoryPath } from "../library/models.js";

/** A folder in which the package is installed with its dependencies, and without any peer. */
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "clip-blip-peers-"));
  const installed = join(folder, "node_modules", "clip-blip");
  mkdirSync(installed, { recursive: true });
  for (const part of ["dist", "package.json"]) cpSync(repositoryPath(part), join(installed, part), { recursive: true });
  for (const name of ["tinyglobby", "fdir", "picomatch"]) {
    symlinkSync(repositoryPath(`node_modules/${name}`), join(folder, "node_modules", name));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a program in that folder prints. */
function run(program: string): string {
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: folder,
    encoding: "utf8",
  });
  return stdout.trim() || stderr;
}

for (const [adapter, peer] of Object.entries({
  langchain: "@langchain/core",
  llamaindex: "@llamaindex/core",
  lancedb: "@lancedb/lancedb",
  chroma: "chromadb",
})) {
  test(`clip-blip/${adapter} says how to install what it lacks`, () => {
    const printed = run(
      `import("clip-blip/${adapter}").catch((error) => console.log(error.name, error.code, error.message))`,
    );
    const sentence = `ClipBlipError ERR_MODULE_NOT_FOUND clip-blip/${adapter} needs the package ${peer}, which is not installed: run npm install ${peer}`;
    assert.equal(printed, sentence);
    const required = run(`
      import { createRequire } from "node:module";
      try { createRequire(import.meta.url)("clip-blip/${adapter}"); } catch (error) { console.log(error.name, error.code, error.message); }`);
    assert.equal(required, sentence);
  });
}

test("clip-blip/ai-sdk needs no package to be imported", () => {
  assert.equal(
    run(`import("clip-blip/ai-sdk").then((module) => console.log(Object.keys(module).join()))`),
    "clipEmbeddingModel",
  );
});

test("clip-blip/search says so when an index is opened", () => {
  const printed = run(`
    import { ImageIndex } from "clip-blip/search";
    const model = { encodeImageStream() {}, encodeImages: async () => [new Float32Array(4)] };
    ImageIndex.open(".", { model, path: "index" }).catch((error) => console.log(error.code, error.message));
  `);
  assert.match(
    printed,
    /^ERR_MODULE_NOT_FOUND clip-blip\/search needs the package @lancedb\/lancedb, .* npm install @lancedb\/lancedb$/,
  );
});

test("what a peer itself lacks is not blamed on the peer", async () => {
  const broken = () => import("no-such-package" as string);
  await assert.rejects(importPeer(broken, "some-peer", "a test"), { name: "Error", code: "ERR_MODULE_NOT_FOUND" });
  const require = createRequire(import.meta.url);
  assert.throws(() => requirePeer(() => require("no-such-package"), "some-peer", "a test"), {
    name: "Error",
    code: "MODULE_NOT_FOUND",
  });
});
