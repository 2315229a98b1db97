// `npm run test:package`: the tools come from the registry. Each does what docs/guides/bundlers-and-runtimes.md says.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import { CAPTION_CJS, CAPTION_ESM, expectedCaption, PICTURE } from "../package/pack.js";
import { argumentsFromGuide, environmentFromGuide, Workshop } from "./tools.js";

let workshop: Workshop;
let expected: string;
beforeAll(async () => {
  workshop = new Workshop("runtimes", [
    "jest@30",
    "vitest@4",
    "@yarnpkg/cli-dist@4",
    "bun@1",
    "deno@2",
    "@babel/preset-env@7",
  ]);
  expected = await expectedCaption();
});
afterAll(() => workshop.remove());

/** The body of a test that loads a model in a runner, with what each runner has in place of `assert`. */
const BODY = `
    const blip = await BlipModel.load("demo", { device: "cpu", dtype: "float32" });
    const bytes = readFileSync(${JSON.stringify(PICTURE)});
    for (const image of [${JSON.stringify(PICTURE)}, bytes, new Uint8Array(bytes), new Blob([bytes])]) {
      const [caption] = await blip.caption([image]);
      if (caption.text !== process.env.EXPECTED) throw new Error(caption.text);
    }
    await blip.close();
    const failure = await BlipModel.load("/no/such/model").catch((error) => error);
    if (!(failure instanceof ClipBlipError) || failure.code !== "ERR_MODEL_NOT_FOUND") throw failure;`;
const IMPORTS = `import { readFileSync } from "node:fs"; import { BlipModel, ClipBlipError } from "clip-blip";`;
const testIn = (runner: string) => `${runner}${IMPORTS}\ntest("captions", async () => {${BODY}\n});`;

describe("test runners", () => {
  it("node:test needs nothing", () => {
    const project = workshop.project("node-test", { "a.test.mjs": testIn('import { test } from "node:test";') }, []);
    const said = workshop.run(project, process.execPath, ["--test"], { EXPECTED: expected });
    assert.match(said, /^# pass 1$/m);
  });

  for (const pool of ["forks", "threads", "vmForks", "vmThreads"]) {
    it(`Vitest needs nothing, in the pool ${pool}`, () => {
      // Two files, for a second context in the same process.
      const text = testIn('import { test } from "vitest";');
      const closed = `import { expect, test } from "vitest"; import { ClipModel } from "clip-blip";
test("await using closes", async () => {
  let kept: ClipModel | undefined;
  { await using clip = await ClipModel.load("demo", { device: "cpu" }); kept = clip; }
  await expect(kept.encodeTexts(["a"])).rejects.toThrow(/closed/);
});`;
      const project = workshop.project(
        `vitest-${pool}`,
        {
          "a.test.mjs": text,
          "b.test.mjs": text,
          "c.test.ts": closed,
          "vitest.config.mjs":
            'export default { oxc: { target: "es2022" }, test: { maxWorkers: 1, testTimeout: 120_000 } };',
        },
        ["vitest@4"],
      );
      const said = workshop.run(project, join(project, "node_modules/vitest/vitest.mjs"), ["run", "--pool", pool], {
        EXPECTED: expected,
        NO_COLOR: "1",
      });
      assert.match(said, /Tests {2}3 passed/);
    });
  }

  it("Jest runs ES modules and `await import`, with the guide's flag", () => {
    const required = `const { readFileSync } = require("node:fs");
test("captions", async () => { const { BlipModel, ClipBlipError } = await import("clip-blip");${BODY}\n});`;
    const files = {
      "a.test.mjs": testIn(""),
      "b.test.js": required,
      // Babel is what Jest compiles with unless it is told otherwise.
      "babel.config.cjs": `module.exports = { presets: [[${JSON.stringify(workshop.tool("@babel/preset-env"))}, { targets: { node: "current" } }]] };`,
      "jest.config.cjs": 'module.exports = { testMatch: ["**/*.test.?(m)js"], testTimeout: 120_000 };',
    };
    const project = workshop.project("jest", files, []);
    const env = { EXPECTED: expected, NO_COLOR: "1", ...environmentFromGuide("jest") };
    const { status, stderr } = workshop.tryRun(project, workshop.tool("jest/bin/jest.js"), ["--runInBand"], env);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /Tests: {7}2 passed/);
  });

  it.skipIf(Number(process.versions.node.split(".")[0]) >= 24)(
    "Jest says what the guide quotes where a test requires",
    () => {
      const files = {
        "a.test.js": 'test("requires", () => { require("clip-blip"); });',
        "jest.config.cjs": "module.exports = {};",
      };
      const project = workshop.project("jest-require", files, []);
      const { status, stderr } = workshop.tryRun(project, workshop.tool("jest/bin/jest.js"), []);
      assert.equal(status, 1);
      assert.match(stderr, /Must use import to load ES Module: .*clip-blip/);
    },
  );
});

describe("Yarn's Plug'n'Play", () => {
  let project: string;
  const yarn = (...parameters: string[]) =>
    workshop.run(project, workshop.tool("@yarnpkg/cli-dist/bin/yarn.js"), parameters, {
      YARN_ENABLE_GLOBAL_CACHE: "0",
      YARN_ENABLE_SCRIPTS: "0",
      YARN_ENABLE_TELEMETRY: "0",
      YARN_ENABLE_IMMUTABLE_INSTALLS: "0",
      YARN_NPM_REGISTRY_SERVER: process.env.npm_config_registry ?? "https://registry.npmjs.org",
      YARN_GLOBAL_FOLDER: join(workshop.folder, "yarn"),
    });
  beforeAll(() => {
    const picture = join(workshop.project("pictures", {}, []), PICTURE);
    const here = (text: string) => text.replace(JSON.stringify(PICTURE), JSON.stringify(picture));
    project = workshop.project("pnp", {
      "yarn.lock": "",
      "caption.mjs": here(CAPTION_ESM),
      "caption.cjs": here(CAPTION_CJS)
        .replace("(async () => {", '(async () => { const { BlipModel } = await import("clip-blip");')
        .replace(/^const .*?;/, ""),
    });
    yarn("add", `clip-blip@file:${workshop.tarball}`);
  });

  it("captions from an ES module, and from CommonJS with `await import`", () => {
    assert.ok(existsSync(join(project, ".pnp.cjs")) && !existsSync(join(project, "node_modules")));
    assert.equal(yarn("node", "caption.mjs"), expected);
    assert.equal(yarn("node", "caption.cjs"), expected);
  });

  it("runs the command line", () => {
    assert.match(yarn("clip-blip", "doctor"), /^ok +Demo models/m);
  });
});

describe("other runtimes", () => {
  // npm has installed their binaries as packages, which a script of theirs would link.
  for (const [name, binary] of [
    ["bun", `@oven/bun-linux-${process.arch}/bin/bun`],
    ["deno", `@deno/linux-${process.arch}-glibc/deno`],
  ] as const) {
    it(`${name} runs it, as an ES module and from require`, () => {
      const project = workshop.project(name, { "app.mjs": CAPTION_ESM, "required.cjs": CAPTION_CJS }, []);
      const parameters = argumentsFromGuide(name);
      assert.equal(parameters.at(-1), "app.mjs");
      for (const file of ["app.mjs", "required.cjs"]) {
        const said = workshop.run(project, workshop.tool(binary), [...parameters.slice(0, -1), file]);
        assert.equal(said, expected);
      }
    });
  }
});
