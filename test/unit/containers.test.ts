import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DCLinter } from "dclint";
import { validate } from "dockerfile-utils";
import { describe, it } from "vitest";
import { run } from "./support/cli.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const dockerfile = readFileSync(join(root, "Dockerfile"), "utf8");
const compose = readFileSync(join(root, "compose.yaml"), "utf8");

/** The stages by name, each with its instructions. */
const stages = new Map(
  [...dockerfile.matchAll(/^FROM (\S+) AS (\S+)\n([\s\S]*?)(?=^FROM |$(?![\s\S]))/gm)].map(([, base, name, text]) => [
    name!,
    { base: base!, text: text! },
  ]),
);

describe("the Dockerfile", () => {
  it("has nothing to warn of", () => {
    assert.deepEqual(
      validate(dockerfile).map(({ message }) => message),
      [],
    );
    assert.ok(validate("FROM node:20\nCOPPY a b\n").length > 0, "the linter finds nothing");
  });

  it("takes files of stages that there are", () => {
    assert.deepEqual([...stages.keys()], ["build", "app", "libtorch-cuda", "cuda", "cpu"]);
    const names = [...dockerfile.matchAll(/--from=(\S+)/g)].map(([, name]) => name!);
    assert.ok(names.length >= 5);
    for (const name of names) assert.ok(stages.has(name), name);
  });

  for (const name of ["cpu", "cuda"]) {
    it(`runs as another user than root, and says how it is: ${name}`, () => {
      const { text } = stages.get(name)!;
      assert.match(text, /^USER 10001$/m);
      assert.match(text, /^HEALTHCHECK .*CMD \["node", .*\/health\/live/m);
      assert.match(text, /^ENTRYPOINT \["node", "\/app\/dist\/cli\/main.js"\]$/m);
    });
  }

  it("leaves nothing out that the build needs", () => {
    const ignored = readFileSync(join(root, ".dockerignore"), "utf8").split("\n");
    const needed = ["package.json", "package-lock.json", ".npmrc", "tsconfig.json", "CMakeLists.txt"];
    for (const name of [...needed, "lib", "models", "native", "scripts"]) {
      assert.ok(existsSync(join(root, name)), `there is no ${name}`);
      assert.ok(!ignored.includes(name), `${name} is left out`);
    }
    for (const name of [".git", "node_modules", "build", "dist"]) assert.ok(ignored.includes(name), `${name} is sent`);
  });
});

type Rules = ConstructorParameters<typeof DCLinter>[0]["rules"];

describe("compose.yaml", () => {
  const problems = (text: string) => {
    const folder = mkdtempSync(join(tmpdir(), "clip-blip-compose-"));
    try {
      const path = join(folder, "compose.yaml");
      writeFileSync(path, text);
      // Order is a matter of taste; here what belongs together stands together. Quotes are the formatter's.
      const rules: Rules = {
        "service-keys-order": 0,
        "top-level-properties-order": 0,
        "require-quotes-in-ports": [1, { quoteType: "double" }],
      };
      const linter = new DCLinter({ rules, quiet: false, debug: false, exclude: [] });
      const results: { messages: { message: string }[] }[] = linter.lintFiles([path], false);
      return results.flatMap(({ messages }) => messages.map(({ message }) => message));
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  it("is as the specification of Compose has it", () => {
    assert.deepEqual(problems(compose), []);
    assert.ok(problems(compose.replace("replicas: 2", "replikas: 2")).length > 0, "the linter finds nothing");
    assert.match(compose, /replicas: 2/);
  });

  it("names stages and options that there are", async () => {
    const targets = [...compose.matchAll(/target: (\S+)/g)].map(([, name]) => name!);
    assert.ok(targets.length > 0 && targets.every((name) => stages.has(name)));
    const commands = [...compose.matchAll(/command: (\["(?:serve|worker)".*\])/g)].map(([, json]) => JSON.parse(json!));
    assert.equal(commands.length, 2);
    for (const [name, ...parameters] of commands as string[][]) {
      const { out } = await run([name!, "--help"]);
      const options = parameters.filter((parameter) => parameter.startsWith("--"));
      assert.ok(options.length > 0);
      for (const option of options) assert.match(out, new RegExp(`${option} `), `${name} has no ${option}`);
    }
  });
});
