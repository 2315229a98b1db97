import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, describe, it } from "vitest";
import { findLibTorch } from "../../dist/native/libtorch/find.js";
import {
  bareEnvironment,
  CAPTION_CJS,
  CAPTION_ESM,
  emptyProject,
  expectedCaption,
  installedHere,
  PICTURE,
  packRepository,
  readJson,
  runNode,
  runNpm,
} from "./pack.js";

/** Bytes; npm warns of nothing, but a package of models and binaries grows unseen. */
const MAX_BYTES = 15e6;

const folder = mkdtempSync(join(tmpdir(), "clip-blip-package-"));
const libtorch = findLibTorch()!;
const bare = bareEnvironment(folder, libtorch.root);
let tarball: string;
let files: string[];
/** Where npm has installed the tarball. */
let project: string;
let expected: string;

beforeAll(async () => {
  ({ tarball, files } = packRepository(folder));
  project = emptyProject(folder, "npm");
  runNpm(project, ["install", "--ignore-scripts", "--prefix", project, tarball], bare);
  expected = await expectedCaption();
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  writeFileSync(join(project, name), text);
  return name;
}

describe("the tarball", () => {
  it("is small, has the addon for this platform, and nothing that builds or tests", () => {
    assert.ok(statSync(tarball).size < MAX_BYTES, `${statSync(tarball).size} bytes`);
    const addons = files.filter((path) => /^prebuilds\/.*\.(node|so)$/.test(path));
    const platform = `prebuilds/${process.platform}-${process.arch}`;
    assert.ok(addons.includes(`${platform}/clip_blip_torch.so`), addons.join());
    assert.equal(addons.filter((path) => path.startsWith(platform) && path.endsWith(".node")).length, 1);
    assert.deepEqual(
      files.filter((path) => /binding\.gyp|CMakeLists|^(native|test|scripts|lib|build)\//.test(path)),
      [],
    );
    for (const path of ["README.md", "LICENSE", "dist/index.js", "dist/index.d.ts", "dist/cli/main.js"]) {
      assert.ok(files.includes(path), path);
    }
  });

  it("holds stripped binaries that name no folder of the machine that built them", () => {
    for (const path of files.filter((path) => /\.(node|so)$/.test(path))) {
      const bytes = readFileSync(join(project, "node_modules", "clip-blip", path));
      assert.ok(!bytes.includes(dirname(installedHere("sharp"))), path);
      assert.ok(!bytes.includes(libtorch.root), path);
      assert.ok(!bytes.includes(".debug_info"), path);
    }
  });

  it("runs nothing when it is installed, and says what it needs", () => {
    const manifest = readJson<{
      scripts?: unknown;
      devDependencies?: unknown;
      binary: { napi_versions: number[] };
      engines: { node: string };
    }>(join(project, "node_modules", "clip-blip", "package.json"));
    assert.deepEqual([manifest.scripts, manifest.devDependencies], [undefined, undefined]);
    assert.deepEqual(manifest.binary, { napi_versions: [8] });
    assert.match(manifest.engines.node, /^>=20\.19/);
    const lock = readJson<{ packages: Record<string, { hasInstallScript?: boolean }> }>(
      join(project, "package-lock.json"),
    );
    const withScripts = Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript);
    assert.deepEqual(
      withScripts.map(([name]) => name),
      [],
    );
  });

  it("is what publint wants", async () => {
    const pkgDir = join(project, "node_modules", "clip-blip");
    const { messages, pkg } = await publint({ pkgDir, pack: false, strict: true });
    const problems = messages.filter(({ type }) => type !== "suggestion");
    assert.deepEqual(
      problems.map((message) => formatMessage(message, pkg)),
      [],
    );
  });

  it("has types that tell the truth, for every way of resolving them", async () => {
    const result = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(tarball))));
    assert.ok(result.types);
    // Only Node before 20.19 and TypeScript before 5.8 cannot require an ES module.
    const problems = result.problems.filter(({ kind }) => kind !== "CJSResolvesToESM");
    assert.deepEqual(problems, []);
  });
});

describe("the package, installed without scripts and without a compiler", () => {
  it("captions from an ES module", () => {
    assert.equal(runNode(project, [write("caption.mjs", CAPTION_ESM)], bare), expected);
  });

  it("captions from require", () => {
    assert.equal(runNode(project, [write("caption.cjs", CAPTION_CJS)], bare), expected);
  });

  it("captions from the command line", () => {
    const printed = runNode(project, ["node_modules/.bin/clip-blip", "caption", PICTURE, "--dtype", "float32"], bare);
    assert.equal((JSON.parse(printed) as { caption: string }).caption, expected);
  });

  it("type-checks for a caller of either module system", () => {
    for (const [file, text] of [
      ["caller.mts", 'import { BlipModel, type Caption } from "clip-blip";'],
      ["caller.cts", 'import { BlipModel, type Caption } from "clip-blip";'],
      [
        "caller-require.cts",
        'import clipBlip = require("clip-blip");\nconst { BlipModel } = clipBlip;\ntype Caption = clipBlip.Caption;',
      ],
    ] as const) {
      write(
        file,
        `${text}
export async function first(path: string): Promise<Caption | undefined> {
  const blip = await BlipModel.load("demo", { device: "cpu" });
  // @ts-expect-error: a number is no path
  await blip.caption([7]);
  return (await blip.caption([path], { maxLength: 12 }))[0];
}
`,
      );
    }
    mkdirSync(join(project, "node_modules", "@types"), { recursive: true });
    symlinkSync(installedHere("@types/node"), join(project, "node_modules", "@types", "node"));
    symlinkSync(installedHere("undici-types"), join(project, "node_modules", "undici-types"));
    for (const module of ["nodenext", "node20"]) {
      const tsc = join(installedHere("typescript"), "bin", "tsc");
      const { status, stdout } = spawnSync(
        process.execPath,
        [
          tsc,
          "--ignoreConfig",
          "--noEmit",
          "--strict",
          "--module",
          module,
          "--target",
          "es2022",
          "--types",
          "node",
          "--lib",
          "es2022,esnext.disposable,dom",
          "caller.mts",
          "caller.cts",
          "caller-require.cts",
        ],
        { cwd: project, encoding: "utf8" },
      );
      assert.equal(status, 0, stdout);
    }
  });
});

describe("the parts of the package", () => {
  type Manifest = { exports: Record<string, unknown>; peerDependencies: Record<string, string> };
  let manifest: Manifest;
  let parts: string[];
  beforeAll(() => {
    manifest = readJson<Manifest>(join(project, "node_modules", "clip-blip", "package.json"));
    parts = Object.keys(manifest.exports).filter((part) => part !== "./package.json");
    // What a user of every part has installed.
    for (const peer of Object.keys(manifest.peerDependencies)) {
      const link = join(project, "node_modules", peer);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(installedHere(peer), link);
    }
  });

  /** What each part exports, as a program prints it that loads them with `take`. */
  const loadAll = (name: string, take: string): Record<string, string[]> => {
    const names = parts.map((part) => `clip-blip${part.slice(1)}`);
    const program = `(async () => {
      const found = {};
      for (const name of ${JSON.stringify(names)}) found[name] = Object.keys(${take}).sort();
      console.log(JSON.stringify(found));
    })();`;
    return JSON.parse(runNode(project, [write(name, program)], bare)) as Record<string, string[]>;
  };

  it("can be imported and required, and export the same", () => {
    assert.ok(parts.length >= 9, parts.join());
    const imported = loadAll("parts.mjs", "await import(name)");
    // What TypeScript and Node add to say what kind of module it was.
    const required = loadAll("parts.cjs", "require(name)");
    for (const names of Object.values(required)) {
      const marks = names.filter((name) => name === "__esModule" || name === "module.exports");
      for (const mark of marks) names.splice(names.indexOf(mark), 1);
    }
    assert.deepEqual(required, imported);
    for (const [name, names] of Object.entries(imported)) assert.ok(names.length > 0, name);
  });
});

describe("where it does not fit", () => {
  const LOAD = `
    import { BlipModel } from "clip-blip";
    await BlipModel.load("demo", { device: "cpu" }).catch(({ name, code, message }) => console.log(name, code, message));`;

  it("names the platforms that it has a binary for", () => {
    const elsewhere = { ...bare, npm_config_platform: "freebsd", npm_config_arch: "riscv64" };
    const printed = runNode(project, [write("load.mjs", LOAD)], elsewhere);
    assert.match(printed, /^ClipBlipError ERR_PLATFORM clip-blip has no addon for /);
    assert.match(printed, new RegExp(`${process.platform}-${process.arch} with (glibc|musl)`));
    assert.match(printed, /`npm run build:addon` in a clone of its repository\.$/);
  });

  it("refuses a LibTorch of another minor version, before it opens it, and says what to do", () => {
    const other = join(folder, "libtorch-2.12");
    mkdirSync(join(other, "lib"), { recursive: true });
    for (const name of ["libc10.so", "libtorch_cpu.so", "libtorch.so"]) writeFileSync(join(other, "lib", name), "");
    writeFileSync(join(other, "build-version"), "2.12.1+cpu\n");
    const printed = runNode(project, [write("load.mjs", LOAD)], { ...bare, LIBTORCH: other });
    assert.match(
      printed,
      /^ClipBlipError ERR_LIBTORCH_VERSION The addon was built for LibTorch 2\.13, but .* has 2\.12\.1: /,
    );
    assert.match(printed, /run `npx clip-blip setup`/);
  });
});
