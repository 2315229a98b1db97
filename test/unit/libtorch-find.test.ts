import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, test } from "vitest";
import { ClipBlipError } from "../../lib/common/errors.js";
import { cacheRoot } from "../../lib/native/libtorch/cache.js";
import { findLibTorch, locateLibTorch, searchLibTorch } from "../../lib/native/libtorch/find.js";

const library =
  { win32: "torch_cpu.dll", darwin: "libtorch_cpu.dylib" }[process.platform as string] ?? "libtorch_cpu.so";
const scratch = mkdtempSync(join(tmpdir(), "clip-blip-find-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let machine: string;
let env: NodeJS.ProcessEnv;
const noPython = () => undefined;

beforeEach(() => {
  machine = mkdtempSync(join(scratch, "machine-"));
  env = { PATH: machine, XDG_CACHE_HOME: machine, LOCALAPPDATA: machine };
});

/** A folder that looks like Python's torch package. */
function torchPackage(folder: string, version = "2.13.0+cpu"): string {
  mkdirSync(join(folder, "lib"), { recursive: true });
  writeFileSync(join(folder, "lib", library), "");
  writeFileSync(join(folder, "version.py"), `__version__ = '${version}'\n`);
  return folder;
}

function cached(name: string, version?: string): string {
  const folder = join(cacheRoot(env), name);
  torchPackage(join(folder, "torch"), version);
  return folder;
}

const isError = (code: string, pattern: RegExp) => (error: unknown) =>
  error instanceof ClipBlipError && error.code === code && pattern.test(error.message);

describe("finding LibTorch", () => {
  beforeEach((t) => t.skip(process.platform === "darwin", "macOS has no variable for the cache folder"));

  test("LIBTORCH may be the package, a folder that holds it, an unzipped libtorch, or the lib folder", () => {
    const root = torchPackage(join(machine, "torch"));
    const zip = join(machine, "zip", "libtorch");
    mkdirSync(join(zip, "lib"), { recursive: true });
    writeFileSync(join(zip, "lib", library), "");
    writeFileSync(join(zip, "build-version"), "2.13.0+cu130");
    for (const value of [root, machine, join(root, "lib")]) {
      const found = findLibTorch({ env: { ...env, LIBTORCH: value }, pythonTorch: noPython });
      assert.equal(found?.root, root);
      assert.deepEqual([found.source, found.path, found.version, found.build], ["LIBTORCH", value, "2.13.0", "cpu"]);
    }
    for (const value of [zip, join(machine, "zip"), join(zip, "lib")]) {
      const found = findLibTorch({ env: { ...env, LIBTORCH: value }, pythonTorch: noPython });
      assert.deepEqual([found?.root, found?.libDir, found?.build], [zip, join(zip, "lib"), "cu130"]);
    }
  });

  test("a wrong LIBTORCH is an error even where another LibTorch is there", () => {
    cached("libtorch-2.13.0-cpu");
    const wrong = { ...env, LIBTORCH: join(machine, "nowhere") };
    assert.throws(
      () => findLibTorch({ env: wrong }),
      isError("ERR_LIBTORCH_NOT_FOUND", /LIBTORCH is set to .*nowhere/),
    );
  });

  test("LIBTORCH is taken in any version: whoever loads it judges that", () => {
    const root = torchPackage(join(machine, "torch"), "2.11.0+cpu");
    assert.equal(findLibTorch({ env: { ...env, LIBTORCH: root } })?.version, "2.11.0");
  });

  test("the cache comes before Python", () => {
    const folder = cached("libtorch-2.13.0-cpu");
    const python = torchPackage(join(machine, "site-packages", "torch"));
    const found = findLibTorch({ env, pythonTorch: () => python });
    assert.deepEqual([found?.source, found?.path], ["cache", folder]);
  });

  test("knows a CUDA build by its library", () => {
    const folder = cached("libtorch-2.13.0-cuda", "2.13.0+cu130");
    const name = process.platform === "win32" ? "torch_cuda.dll" : "libtorch_cuda.so";
    writeFileSync(join(folder, "torch", "lib", name), "");
    const found = findLibTorch({ env, pythonTorch: noPython });
    assert.deepEqual([found?.cuda, found?.build], [true, "cu130"]);
  });

  test("other releases and unfinished folders are passed over, with the reason", () => {
    cached("libtorch-2.12.1-cpu", "2.12.1+cpu");
    mkdirSync(join(cacheRoot(env), "libtorch-2.13.0-cpu"));
    mkdirSync(join(cacheRoot(env), ".libtorch-2.13.0-cpu.tmp-1"));
    const python = torchPackage(join(machine, "site-packages", "torch"), "2.9.1+cu128");
    const { location, skipped } = searchLibTorch({ env, pythonTorch: () => python });
    assert.equal(location, undefined);
    assert.deepEqual(
      skipped.map(({ source, reason }) => [source, reason]),
      [
        ["cache", "is incomplete"],
        ["cache", "is version 2.12.1, but 2.13 is needed"],
        ["python", "is version 2.9.1, but 2.13 is needed"],
      ],
    );
    assert.throws(
      () => locateLibTorch({ env, pythonTorch: () => python }),
      isError("ERR_LIBTORCH_NOT_FOUND", /is version 2\.9\.1.*run `npx clip-blip setup`, or set LIBTORCH/),
    );
  });

  test("an addon built for another release finds that one", () => {
    const python = torchPackage(join(machine, "site-packages", "torch"), "2.11.0+cpu");
    assert.equal(findLibTorch({ env, version: "2.11.0", pythonTorch: () => python })?.version, "2.11.0");
  });

  test("an empty machine says in one sentence what to run", () => {
    assert.equal(findLibTorch({ env, pythonTorch: noPython }), undefined);
    assert.throws(
      () => locateLibTorch({ env, pythonTorch: noPython }),
      isError("ERR_LIBTORCH_NOT_FOUND", /^LibTorch 2\.13 was not found: run `npx clip-blip setup`/),
    );
  });
});

describe("Python's torch", () => {
  /** A python3 that answers as told. */
  function python(script: string): void {
    writeFileSync(join(machine, "python3"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }

  test("is found where python3 says it is", () => {
    const root = torchPackage(join(machine, "site packages", "torch"));
    python(`printf '%s' '${join(root, "__init__.py")}'`);
    assert.deepEqual([findLibTorch({ env })?.source, findLibTorch({ env })?.root], ["python", root]);
  });

  test("does not exist where python3 has none, fails, or is missing", () => {
    assert.equal(findLibTorch({ env }), undefined);
    python("exit 0");
    assert.equal(findLibTorch({ env }), undefined);
    python("echo /nowhere/torch/__init__.py; exit 1");
    assert.equal(findLibTorch({ env }), undefined);
  });
});
