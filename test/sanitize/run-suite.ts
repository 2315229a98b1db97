// `run-suite.ts <file> [pattern]`: one suite in this very process, in plain Node. Vitest's workers are ended by a signal,
// before LeakSanitizer looks, and its own binaries would be under the sanitizers, too. Prints what failed, and ends with
// "N passed, N failed, N skipped".
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { startTests, type Task, type VitestRunner, type VitestRunnerConfig } from "@vitest/runner";
import { getTests } from "@vitest/runner/utils";

const [file, pattern] = process.argv.slice(2) as [string, string | undefined];
const MINUTE = 60_000;

const config: VitestRunnerConfig = {
  root: process.cwd(),
  setupFiles: [],
  name: undefined,
  passWithNoTests: false,
  testNamePattern: pattern === undefined ? undefined : new RegExp(pattern),
  allowOnly: false,
  sequence: { seed: 0, hooks: "stack", setupFiles: "list" },
  chaiConfig: undefined,
  maxConcurrency: 2,
  testTimeout: 10 * MINUTE,
  hookTimeout: 10 * MINUTE,
  retry: 0,
  includeTaskLocation: false,
  tags: [],
  tagsFilter: undefined,
  strictTags: false,
};
const runner: VitestRunner = {
  config,
  importFile: (path) => import(pathToFileURL(path).href),
  onTestAnnotate: async (test, annotation) => {
    console.log(`${test.name}: ${annotation.message}`);
    return annotation;
  },
};
const [suite] = await startTests([resolve(file)], runner);

const failures: Task[] = [];
const counts = { passed: 0, failed: 0, skipped: 0 };
for (const test of getTests(suite!)) {
  const state = test.result?.state ?? test.mode;
  if (state === "pass") counts.passed += 1;
  else if (state === "fail") failures.push(test);
  else counts.skipped += 1;
}
if (failures.length === 0 && suite!.result?.state === "fail") failures.push(suite!);
counts.failed = failures.length;
for (const { name, result } of failures) console.log(`${name}: ${inspect(result?.errors)}`);
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
if (counts.failed > 0 || counts.passed === 0) process.exitCode = 1;
