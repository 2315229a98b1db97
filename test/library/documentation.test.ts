import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { transformSync } from "esbuild";
import { demoPictures, repositoryPath } from "./models.js";

const GUIDES = "docs/guides";
const documents = ["README.md", ...readdirSync(repositoryPath(GUIDES)).map((name) => `${GUIDES}/${name}`)];

/** The code blocks of one language in a document; those in a list are indented. */
const blocks = (text: string, language: string) =>
  [...text.replace(/^ {3}/gm, "").matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(
    (match) => match[1]!,
  );

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

describe("the documentation", () => {
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

  for (const document of documents) {
    const text = readFileSync(repositoryPath(document), "utf8");

    for (const [index, source] of blocks(text, "js").entries()) {
      it(`JavaScript snippet ${index + 1} of ${document} runs`, () => {
        const file = join(scripts, `${basename(document, ".md")}-${index + 1}.mjs`);
        // Node 20 has no `await using` of its own.
        writeFileSync(file, transformSync(source, { format: "esm", target: "node20" }).code);
        assert.notEqual(run([file], folder).trim(), "");
      });
    }

    it(`${document} links to what is there`, () => {
      for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
        assert.ok(existsSync(join(dirname(repositoryPath(document)), target!)), target);
      }
    });
  }

  const readme = readFileSync(repositoryPath("README.md"), "utf8");
  const commands = blocks(readme, "sh").flatMap((block) =>
    block.split("\n").filter((line) => line.startsWith("npx clip-blip ") && !/ (serve|worker)\b/.test(line)),
  );
  for (const command of commands) {
    it(`\`${command}\` runs`, () => {
      const parameters = [...command.matchAll(/"([^"]*)"|(\S+)/g)].slice(2).map((match) => match[1] ?? match[2]!);
      run([repositoryPath("dist/cli/main.js"), ...parameters], folder);
    });
  }

  it("has snippets to run", () => {
    assert.ok(blocks(readme, "js").length >= 2);
    assert.ok(commands.length >= 5);
  });

  it("explains every error code", () => {
    const codes = [...readFileSync(repositoryPath("lib/errors.ts"), "utf8").matchAll(/\| "(ERR_\w+)"/g)];
    const explained = readFileSync(repositoryPath(`${GUIDES}/troubleshooting.md`), "utf8");
    assert.ok(codes.length >= 15);
    for (const [, code] of codes) assert.ok(explained.includes(`| \`${code}\` |`), code);
  });
});
