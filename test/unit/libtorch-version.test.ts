import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, test } from "vitest";
import { minorOf, parseVersion, readVersion } from "../../lib/native/libtorch/version.js";

const root = mkdtempSync(join(tmpdir(), "clip-blip-version-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function versionPy(text: string): ReturnType<typeof readVersion> {
  writeFileSync(join(root, "version.py"), text);
  return readVersion(root);
}

describe("LibTorch version", () => {
  test("reads the release and the build", () => {
    assert.deepEqual(parseVersion("2.13.0+cu130\n"), { version: "2.13.0", build: "cu130" });
    assert.deepEqual(parseVersion("2.13.0"), { version: "2.13.0", build: "cpu" });
    assert.deepEqual(parseVersion("2.14.0a0+git1234567"), { version: "2.14.0", build: "git1234567" });
    assert.equal(parseVersion("latest"), undefined);
  });

  test("compares by minor release", () => {
    assert.equal(minorOf("2.13.1"), "2.13");
  });

  test("reads version.py without running it", () => {
    assert.deepEqual(
      versionPy("from typing import Optional\n__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\n"),
      {
        version: "2.13.0",
        build: "cpu",
      },
    );
  });

  test("takes the build from CUDA's version where the release does not say it", () => {
    assert.deepEqual(versionPy('__version__ = "2.13.0"\ncuda: Optional[str] = "13.0"\nhip = None\n'), {
      version: "2.13.0",
      build: "cu130",
    });
    assert.deepEqual(versionPy("__version__ = '2.13.0'\ncuda = None\n"), { version: "2.13.0", build: "cpu" });
  });

  test("reads build-version of an unzipped libtorch", () => {
    rmSync(join(root, "version.py"));
    writeFileSync(join(root, "build-version"), "2.13.0+cu130\n");
    assert.deepEqual(readVersion(root), { version: "2.13.0", build: "cu130" });
  });

  test("says nothing where nothing is said", () => {
    rmSync(join(root, "build-version"));
    assert.equal(readVersion(root), undefined);
  });
});
