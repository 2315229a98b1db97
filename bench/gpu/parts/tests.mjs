// test:gpu, each test a figure as soon as it has ended.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { repositoryPath } from "../../common/paths.mjs";
import { settings } from "../settings.mjs";

const told = settings();
const vitest = repositoryPath("node_modules", "vitest", "vitest.mjs");
const reporter = repositoryPath("bench", "gpu", "test-reporter.mjs");
const tests = spawn(process.execPath, [vitest, "run", "--project", "gpu", `--reporter=${reporter}`], {
  stdio: ["ignore", "inherit", "inherit"],
  cwd: repositoryPath(),
  env: { ...process.env, CLIP_BLIP_CHECKPOINTS: told.work, CLIP_BLIP_PYTHON: told.python },
});
[process.exitCode] = await once(tests, "close");
