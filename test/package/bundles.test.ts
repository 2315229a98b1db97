// Bundles of the package: esbuild is here anyway. test/managers runs the other bundlers.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { type BuildOptions, build } from "esbuild";
import { afterAll, beforeAll, describe, it } from "vitest";
import { findLibTorch } from "../../dist/native/libtorch/find.js";
import {
  bareEnvironment,
  CAPTION_CJS,
  CAPTION_ESM,
  emptyProject,
  expectedCaption,
  packRepository,
  runNode,
  runNpm,
} from "./pack.js";

const folder = mkdtempSync(join(tmpdir(), "clip-blip-bundles-"));
const bare = bareEnvironment(folder, findLibTorch()!.root);
let files: string[];
let project: string;
let installed: string;
let expected: string;

beforeAll(async () => {
  const packed = packRepository(folder);
  files = packed.files;
  project = emptyProject(folder, "bundles");
  installed = join(project, "node_modules", "clip-blip");
  runNpm(project, ["install", "--ignore-scripts", "--prefix", project, packed.tarball], bare);
  expected = await expectedCaption();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A program that prints how what it does fails. */
const failing = (call: string) =>
  `(async () => { try { ${call} } catch (error) { console.log(error.name, error.code, error.message); } })();`;

/** Bundles a program for Node with everything that it imports; gives back the path of the bundle. */
async function bundle(name: string, contents: string, options: BuildOptions): Promise<string> {
  const outfile = join(project, name);
  const stdin = { contents, resolveDir: project, loader: "js" as const };
  await build({ stdin, bundle: true, platform: "node", outfile, logLevel: "silent", ...options });
  return outfile;
}

/** As esbuild's users give an ES module the `require` that its CommonJS packages need. */
const banner = { js: 'import { createRequire as make } from "node:module"; const require = make(import.meta.url);' };

describe("a bundle that has the package in it", () => {
  for (const [name, options] of [
    ["all.cjs", { format: "cjs" }],
    ["all.mjs", { format: "esm", banner }],
    ["all.min.cjs", { format: "cjs", minify: true }],
  ] as [string, BuildOptions][]) {
    it(`says that it must be external: ${name}`, async () => {
      for (const call of [
        'await BlipModel.load("demo", { device: "cpu" })',
        'await ClipModel.load("some/model", { device: "cpu" })',
        "devices()",
      ]) {
        const program = `import { BlipModel, ClipModel, devices } from "clip-blip"; ${failing(call)}`;
        const printed = runNode(project, [await bundle(name, program, options)], bare);
        assert.match(printed, /^ClipBlipError ERR_BUNDLED .*keep it external.*bundlers-and-runtimes\.md\.$/, call);
      }
    });
  }

  it("says so where only a part of the package was copied", () => {
    const copy = emptyProject(folder, "traced");
    cpSync(join(project, "node_modules"), join(copy, "node_modules"), { recursive: true });
    rmSync(join(copy, "node_modules", "clip-blip", "prebuilds"), { recursive: true });
    const program = `import { devices } from "clip-blip"; ${failing("devices()")}`;
    writeFileSync(join(copy, "traced.mjs"), program);
    const printed = runNode(copy, ["traced.mjs"], bare);
    assert.match(printed, /^ClipBlipError ERR_BUNDLED .*without its folder prebuilds: copy the whole package/);
  });
});

describe("the package in a bundle", () => {
  it("works from a bundle that leaves it external, in both module systems", async () => {
    for (const [format, source] of [
      ["esm", CAPTION_ESM],
      ["cjs", CAPTION_CJS],
    ] as const) {
      const outfile = join(project, `bundle.${format === "esm" ? "mjs" : "cjs"}`);
      await build({
        stdin: { contents: `import "node:fs"; ${source}`, resolveDir: project, loader: "js" },
        bundle: true,
        format,
        platform: "node",
        external: ["clip-blip"],
        outfile,
        logLevel: "silent",
        ...(format === "esm" ? { target: "node20" } : {}),
      });
      assert.equal(runNode(project, [outfile], bare), expected);
    }
  });

  it("can be shaken: a bundle of one function leaves the addon and the models out", async () => {
    const { metafile } = await build({
      stdin: {
        contents: 'import { cosineSimilarity } from "clip-blip"; console.log(cosineSimilarity([1, 0], [1, 0]));',
        resolveDir: project,
      },
      bundle: true,
      format: "esm",
      platform: "node",
      metafile: true,
      write: false,
      logLevel: "silent",
    });
    const inputs = Object.entries(Object.values(metafile.outputs)[0]!.inputs).filter(
      ([, input]) => input.bytesInOutput > 0,
    );
    const names = inputs.map(([name]) => name);
    assert.ok(names.some((name) => name.endsWith("dist/models/clip/similarity.js")));
    assert.ok(!names.some((name) => /native\/load|clip\.js|blip\.js|sharp/.test(name)), names.join("\n"));
  });

  it("has nothing that bundlers take for a file to copy", () => {
    const modules = files.filter((path) => /^dist\/.*\.c?js$/.test(path));
    assert.ok(modules.length > 200);
    for (const path of modules) {
      const text = readFileSync(join(installed, path), "utf8");
      assert.doesNotMatch(text, /new URL\([^)]*import\.meta/, path);
      // webpack replaces this call at build time.
      assert.doesNotMatch(text, /createRequire\(import\.meta/, path);
    }
  });
});

describe("source maps", () => {
  it("that a file of the package names are in it, with their sources", () => {
    const dist = files.filter((path) => path.startsWith("dist/"));
    assert.ok(dist.length > 400);
    for (const path of dist) {
      const text = readFileSync(join(installed, path), "utf8");
      assert.ok(!path.endsWith(".map") || files.includes(path.slice(0, -".map".length)), path);
      for (const [, name] of text.matchAll(/^\/\/# sourceMappingURL=(\S+)$/gm)) {
        const map = posix.join(posix.dirname(path), name!);
        assert.ok(files.includes(map), `${path} names ${map}`);
        const { sources, sourcesContent } = JSON.parse(readFileSync(join(installed, map), "utf8"));
        for (const [index, source] of sources.entries()) {
          const shipped = files.includes(posix.join(posix.dirname(map), source));
          assert.ok(shipped || typeof sourcesContent?.[index] === "string", `${map} names ${source}`);
        }
      }
    }
  });
});
