// test:gpu, each test a figure as soon as it has ended: from the TypeScript sources where tsx is installed, else as
// pack.mjs compiled them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { repositoryPath } from "../../common/paths.mjs";
import { settings } from "../settings.mjs";

const told = settings();
const compiled = repositoryPath("test-compiled", "gpu", "gpu.test.js");

function command() {
  if (existsSync(compiled)) return [compiled];
  try {
    createRequire(import.meta.url).resolve("tsx");
  } catch {
    throw new Error("neither tsx nor test-compiled is there: make the archive with bench/gpu/pack.mjs");
  }
  return ["--import", "tsx", repositoryPath("test", "gpu", "gpu.test.ts")];
}

const reporter = repositoryPath("bench", "gpu", "test-reporter.mjs");
const flags = [`--test-reporter=${reporter}`, "--test-reporter-destination=stdout"];
const tests = spawn(process.execPath, [...flags, ...command()], {
  stdio: ["ignore", "inherit", "inherit"],
  cwd: repositoryPath(),
  env: { ...process.env, CLIP_BLIP_CHECKPOINTS: told.work, CLIP_BLIP_PYTHON: told.python },
});
[process.exitCode] = await once(tests, "close");
