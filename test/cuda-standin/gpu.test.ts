import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { it } from "vitest";
import { repositoryPath } from "../library/models.js";
import { describeEach } from "./suite.js";

/** Of test:gpu: two need full-size models, and are left out where Python cannot make their checkpoints. */
const TESTS = 9;

describeEach("test:gpu on the stand-in", (standin) => {
  it("passes, but for the numbers", async (t) => {
    const vitest = repositoryPath("node_modules/vitest/vitest.mjs");
    const reporter = repositoryPath("bench/gpu/test-reporter.mjs");
    const child = spawn(process.execPath, [vitest, "run", "--project", "gpu", `--reporter=${reporter}`], {
      cwd: repositoryPath("."),
      env: { ...process.env, ...standin.env, CLIP_BLIP_STANDIN: "1" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
    assert.equal(code, 0, output);
    const { passed, skipped } = JSON.parse(output.trim().split("\n").at(-1)!) as { passed: number; skipped: number };
    t.annotate(`${passed} passed, ${skipped} skipped`);
    assert.equal(passed + skipped, TESTS);
    assert.ok(skipped <= 2);
  });
});
