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
import { afterAll, beforeAll, describe, it } from "vitest";
import { run as runWithStandIn } from "../unit/support/cli.js";
import { demoPictures, repositoryPath } from "./models.js";

const GUIDES = "docs/guides";
const guides = readdirSync(repositoryPath(GUIDES)).map((name) => `${GUIDES}/${name}`);
const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "CHANGELOG.md",
  "docs/README.md",
  "docs/dependencies.md",
  ...guides,
];

/** What `clip-blip --help` lists. */
const COMMANDS = (await runWithStandIn(["--help"])).out.match(/(?<=^ {2})[a-z]+(?= )/gm)!;

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
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "clip-blip-readme-"));
    mkdirSync(scripts, { recursive: true });
    copyFileSync(demoPictures[0]!, join(folder, "photo.jpg"));
    writeFileSync(join(folder, "broken.jpg"), "no picture");
    mkdirSync(join(folder, "photos"));
    for (const picture of demoPictures) copyFileSync(picture, join(folder, "photos", basename(picture)));
    cpSync(repositoryPath("models/demo-clip"), join(folder, "path/to/checkpoint"), { recursive: true });
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
    rmSync(scripts, { recursive: true });
  });

  for (const document of documents) {
    const text = readFileSync(repositoryPath(document), "utf8");

    for (const [index, source] of blocks(text, "js").entries()) {
      it(`JavaScript snippet ${index + 1} of ${document} runs`, () => {
        const file = join(scripts, `${basename(document, ".md")}-${index + 1}.mjs`);
        writeFileSync(file, source);
        assert.notEqual(run([file], folder).trim(), "");
      });
    }

    it(`${document} links to what is there`, () => {
      for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
        assert.ok(existsSync(join(dirname(repositoryPath(document)), target!)), target);
      }
    });
  }

  for (const document of documents) {
    const text = readFileSync(repositoryPath(document), "utf8");

    it(`${document} names commands, options and scripts that there are`, async () => {
      const { scripts } = JSON.parse(readFileSync(repositoryPath("package.json"), "utf8"));
      for (const [, script] of text.matchAll(/npm run ([\w:-]+)/g)) assert.ok(scripts[script!], `npm run ${script}`);
      for (const [line, command, rest] of text.matchAll(/clip-blip ([a-z]+)\b([^\n`|#]*)/g)) {
        // Words after the package's name, in a sentence or in `npm install`, are no command.
        if (!COMMANDS.includes(command!)) continue;
        const { out } = await runWithStandIn([command!, "--help"]);
        const options = new Set(out.match(/(?<![\w-])--?[a-z][a-z-]*/g));
        for (const [flag] of rest!.matchAll(/(?<![\w-])--?[a-z][a-z-]*/g)) assert.ok(options.has(flag), line);
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

  it("has commands in its guides that the command line takes", async () => {
    const lines = guides
      .flatMap((guide) => blocks(readFileSync(repositoryPath(guide), "utf8"), "sh"))
      .flatMap((block) => block.split("\n"))
      .map((line) => /npx clip-blip ((?:embed|caption|classify|export) [^#\n]*)/.exec(line)?.[1]?.trim())
      .filter((line) => line !== undefined);
    assert.ok(lines.length >= 2, lines.join("\n"));
    const cwd = process.cwd();
    process.chdir(folder);
    try {
      for (const line of lines) {
        // The library is a stand-in, as the models of the guides are of the hub; an export has no file to measure.
        const { err, calls } = await runWithStandIn(line.split(/ +/));
        assert.ok(calls.length > 0, `${line}: ${err}`);
      }
    } finally {
      process.chdir(cwd);
    }
  });

  it("has snippets to run", () => {
    assert.ok(blocks(readme, "js").length >= 2);
    assert.ok(commands.length >= 5);
  });

  it("explains every error code once, and no other", () => {
    const codes = [...readFileSync(repositoryPath("lib/common/errors.ts"), "utf8").matchAll(/\| "(ERR_\w+)"/g)];
    const explained = readFileSync(repositoryPath(`${GUIDES}/troubleshooting.md`), "utf8");
    assert.ok(codes.length >= 15);
    const rows = [...explained.matchAll(/^\| `(ERR_\w+)` \| [^|]+\. \| [^|]+ \|$/gm)].map(([, code]) => code!);
    assert.deepEqual(rows.sort(), codes.map(([, code]) => code!).sort());
  });

  it("explains every code that only the service has", () => {
    const [declaration] = /ServiceErrorCode =[^;]+;/.exec(
      readFileSync(repositoryPath("lib/server/errors.ts"), "utf8"),
    )!;
    const codes = [...declaration.matchAll(/"(ERR_\w+)"/g)].map(([, code]) => code!);
    assert.ok(codes.length >= 5);
    const explained = readFileSync(repositoryPath(`${GUIDES}/troubleshooting.md`), "utf8");
    const rows = [...explained.matchAll(/^\| `(ERR_\w+)` \| \d{3} \| /gm)].map(([, code]) => code!);
    assert.deepEqual(rows.sort(), codes.sort());
  });

  it("promises no code in a doc comment that there is not", () => {
    const codes = new Set(readFileSync(repositoryPath("lib/common/errors.ts"), "utf8").match(/ERR_\w+/g));
    const files = readdirSync(repositoryPath("lib"), { recursive: true, encoding: "utf8" });
    let promised = 0;
    for (const name of files.filter((name) => /\.c?ts$/.test(name))) {
      const comments = readFileSync(join(repositoryPath("lib"), name), "utf8").match(/\/\*\*[\s\S]*?\*\//g) ?? [];
      for (const code of comments.flatMap((comment) => comment.match(/\bERR_[A-Z_]+/g) ?? [])) {
        assert.ok(codes.has(code), `${name}: ${code}`);
        promised++;
      }
    }
    assert.ok(promised > 50);
  });

  it("lists every guide", () => {
    const index = readFileSync(repositoryPath("docs/README.md"), "utf8");
    for (const guide of guides) assert.ok(index.includes(`(${guide.replace("docs/", "")})`), guide);
  });
});
