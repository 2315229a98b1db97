import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { it } from "node:test";
import { repositoryPath } from "../library/models.js";
import { describeEach } from "./suite.js";

/** Of test:gpu: two need full-size models, and are left out where Python cannot make their checkpoints. */
const TESTS = 9;

describeEach("test:gpu on the stand-in", (standin) => {
  it("passes, but for the numbers", async (t) => {
    // Without the variable the tests below would report to this run.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const runner = ["--import", "tsx", "--test", "--test-reporter=tap", repositoryPath("test/gpu/gpu.test.ts")];
    const child = spawn(process.execPath, runner, {
      cwd: repositoryPath("."),
      env: { ...env, ...standin.env, CLIP_BLIP_STANDIN: "1" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
    assert.equal(code, 0, output);
    const count = (name: string) => Number(new RegExp(`^# ${name} (\\d+)$`, "m").exec(output)?.[1]);
    t.diagnostic(`${count("pass")} passed, ${count("skipped")} skipped`);
    assert.equal(count("pass") + count("skipped"), TESTS);
    assert.ok(count("skipped") <= 2);
  });
});
