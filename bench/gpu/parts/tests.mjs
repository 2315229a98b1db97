// test:gpu: from the TypeScript sources where tsx is installed, else as pack.mjs compiled them.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { repositoryPath } from "../../common/paths.mjs";
import { figure } from "../settings.mjs";

const require = createRequire(import.meta.url);
const compiled = repositoryPath("test-compiled", "gpu");

function testsIn(folder, ending) {
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
}

function command() {
  if (existsSync(compiled)) return { flags: [], files: testsIn(compiled, ".test.js") };
  try {
    require.resolve("tsx");
  } catch {
    throw new Error("neither tsx nor test-compiled is there: make the archive with bench/gpu/pack.mjs");
  }
  return { flags: ["--import", "tsx"], files: testsIn(repositoryPath("test", "gpu"), ".test.ts") };
}

const { flags, files } = command();
const args = [...flags, "--test", "--test-reporter=tap", ...files];
const { stdout, status } = spawnSync(process.execPath, args, {
  encoding: "utf8",
  cwd: repositoryPath(),
  maxBuffer: 1 << 26,
});
const count = (name) => Number(new RegExp(`^# ${name} (\\d+)$`, "m").exec(stdout)?.[1] ?? 0);
const failed = [...stdout.matchAll(/^\s*not ok \d+ - (.*)$/gm)].map((match) => match[1]);
const passed = count("pass");
figure({ kind: "tests", passed, failed: count("fail"), skipped: count("skipped"), names: failed });
// A suite that was skipped as a whole has proved nothing.
if (passed === 0) throw new Error("no test ran: there is no CUDA device that LibTorch finds");
process.exitCode = status;
