// `npm run test:sanitize`: native code as plain programs under the sanitizers, built with clang into build/sanitize.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { repositoryPath } from "../library/models.js";

const folder = repositoryPath("build/sanitize");
mkdirSync(folder, { recursive: true });

/** Compiles a program with some sanitizers and runs it. */
function run(name: string, sanitizers: string, sources: string[]) {
  const program = join(folder, name);
  const options = ["-std=c++20", "-O1", "-g", "-fno-omit-frame-pointer", `-fsanitize=${sanitizers}`, "-pthread"];
  execFileSync("clang++", [...options, ...sources.map(repositoryPath), "-o", program], { stdio: "pipe" });
  return spawnSync(program, { encoding: "utf8", timeout: 300_000 });
}

describe("the turns on devices, on a fake device", () => {
  const sources = ["test/sanitize/device_turns.cc", "native/core/device_turns.cc"];
  for (const sanitizers of ["thread", "address,undefined"]) {
    it(`have no fault that -fsanitize=${sanitizers} finds`, () => {
      const { status, stdout, stderr } = run(`device_turns-${sanitizers.split(",")[0]}`, sanitizers, sources);
      assert.equal(stderr, "");
      assert.equal(status, 0);
      assert.match(stdout, /^\d+ turns\n$/);
    });
  }

  it("are seen to fail where they let two threads in", () => {
    const { status, stderr } = run("device_turns-broken", "thread", [sources[0]!, "test/sanitize/broken_turns.cc"]);
    assert.notEqual(status, 0);
    assert.match(stderr, /ThreadSanitizer: data race|two threads have the device/);
  });
});
