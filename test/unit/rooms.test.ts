import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, it } from "vitest";

/** What the files of a room in lib/ may import, beside their own room: the map in CONTRIBUTING.md. */
const ALLOWED: Record<string, string[]> = {
  common: [],
  native: ["common"],
  engine: ["common", "native"],
  input: ["common", "native"],
  text: ["common"],
  checkpoint: ["common", "native"],
  hub: ["common", "checkpoint"],
  setup: ["common", "native"],
  models: ["common", "native", "engine", "input", "text", "checkpoint", "hub"],
  adapters: ["common", "input", "models"],
  search: ["common", "engine", "input", "models"],
  server: ["common", "engine", "hub", "input", "models"],
  queue: ["common", "input", "models"],
};
const ROOMS = [...Object.keys(ALLOWED), "cli"];

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "clip-blip-rooms-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

/** The files that the project's own lint refuses, with the rule that refuses them. */
function refused(): Set<string> {
  const biome = createRequire(import.meta.url).resolve("@biomejs/biome/bin/biome");
  const rules = ["--only=style/noRestrictedImports", "--only=suspicious/noImportCycles"];
  const options = ["lint", "--reporter=json", "--vcs-enabled=false", "--max-diagnostics=none", ...rules];
  const { stdout } = spawnSync(process.execPath, [biome, ...options], { cwd: folder, encoding: "utf8" });
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { category: string; location: { path: string } }[] };
  return new Set(diagnostics.map(({ category, location }) => `${location.path} ${category.split("/").at(-1)}`));
}

describe("the rooms of lib/", () => {
  it("are those that this test and the lint know", () => {
    const rooms = readdirSync(join(root, "lib"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    assert.deepEqual(rooms.sort(), [...ROOMS].sort());
  });

  it("import downward only: the lint refuses every other import, type imports and those of subfolders too", () => {
    copyFileSync(join(root, "biome.json"), join(folder, "biome.json"));
    const expected: string[] = [];
    for (const [room, allowed] of Object.entries(ALLOWED)) {
      for (const other of ["index", ...ROOMS.filter((one) => one !== room)]) {
        const file = other === "index" ? "index.js" : `${other}/some-file.js`;
        write(`lib/${room}/${other}.ts`, `import type { Thing } from "../${file}";\nexport type One = Thing;\n`);
        write(`lib/${room}/deeper/${other}.ts`, `export const load = () => import("../../${file}");\n`);
        if (allowed.includes(other)) continue;
        expected.push(`lib/${room}/${other}.ts noRestrictedImports`);
        expected.push(`lib/${room}/deeper/${other}.ts noRestrictedImports`);
      }
      write(`lib/${room}/own.ts`, 'export { load } from "./deeper/index.js";\n');
    }
    write("lib/cli/all.ts", ROOMS.map((room) => `import "../${room}/some-file.js";\n`).join(""));
    assert.deepEqual([...refused()].sort(), expected.sort());
  });

  it("have no circles", () => {
    write("lib/text/one.ts", 'import type { Two } from "./two.js";\nexport type One = Two | 1;\n');
    write("lib/text/two.ts", 'import type { One } from "./one.js";\nexport type Two = One | 2;\n');
    const circles = [...refused()].filter((one) => one.endsWith("noImportCycles"));
    assert.deepEqual(circles.sort(), ["lib/text/one.ts noImportCycles", "lib/text/two.ts noImportCycles"]);
  });
});
