import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "vitest";
import { repositoryPath } from "./models.js";

test("npm run bench measures every part on the demo models", () => {
  const folder = mkdtempSync(join(tmpdir(), "clip-blip-bench-test-"));
  try {
    const json = join(folder, "parts.json");
    const program = repositoryPath("bench/parts.mjs");
    const args = [program, "--quick", "--clip", "demo", "--blip", "demo", "--device", "cpu", "--json", json];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 120_000 });
    assert.equal(status, 0, stderr);
    const { parts, settings } = JSON.parse(readFileSync(json, "utf8"));
    assert.equal(settings.device, "cpu");
    for (const part of ["decode", "resize", "tokenize", "upload", "forward", "decode loop", "one call", "batch"]) {
      const found = parts.filter(({ name }: { name: string }) => name.includes(part));
      assert.ok(found.length > 0, part);
      for (const { name, median, runs } of found) {
        // The turn of the decode loop is a difference of two medians: a busy machine can lose it.
        if (!name.startsWith("decode loop")) assert.ok(median > 0 && runs >= 3, name);
        assert.ok(stdout.includes(name), name);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
