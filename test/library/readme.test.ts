import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { transformSync } from "esbuild";
import { demoPictures, repositoryPath } from "./models.js";

const readme = readFileSync(repositoryPath("README.md"), "utf8");
const blocks = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map((match) => match[1]!);

/** Runs a program in a folder that looks like a user's, and gives back what it prints. */
function run(parameters: string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, parameters, {
    cwd,
    encoding: "utf8",
    timeout: 120_000,
  });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  return stdout;
}

describe("the README", () => {
  let folder: string;
  // Inside the repository, so that the package finds itself under its own name.
  const scripts = repositoryPath("build/readme");
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "clip-blip-readme-"));
    mkdirSync(scripts, { recursive: true });
    copyFileSync(demoPictures[0]!, join(folder, "photo.jpg"));
    writeFileSync(join(folder, "broken.jpg"), "no picture");
    mkdirSync(join(folder, "photos"));
    for (const picture of demoPictures) copyFileSync(picture, join(folder, "photos", basename(picture)));
    cpSync(repositoryPath("models/demo-clip"), join(folder, "path/to/checkpoint"), { recursive: true });
  });
  after(() => {
    rmSync(folder, { recursive: true });
    rmSync(scripts, { recursive: true });
  });

  for (const [index, source] of blocks("js").entries()) {
    it(`JavaScript snippet ${index + 1} runs`, () => {
      const file = join(scripts, `snippet-${index + 1}.mjs`);
      // Node 20 has no `await using` of its own.
      writeFileSync(file, transformSync(source, { format: "esm", target: "node20" }).code);
      assert.notEqual(run([file], folder).trim(), "");
    });
  }

  const commands = blocks("sh").flatMap((block) =>
    block.split("\n").filter((line) => line.startsWith("npx clip-blip ")),
  );
  for (const command of commands) {
    it(`\`${command}\` runs`, () => {
      const parameters = [...command.matchAll(/"([^"]*)"|(\S+)/g)].slice(2).map((match) => match[1] ?? match[2]!);
      run([repositoryPath("dist/cli/main.js"), ...parameters], folder);
    });
  }

  it("has snippets to run", () => {
    assert.ok(blocks("js").length >= 2);
    assert.ok(commands.length >= 5);
  });
});
