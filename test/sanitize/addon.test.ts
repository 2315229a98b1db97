// `npm run test:sanitize`: the addon under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer, in stock Nodes
// that load their runtime first. The suites are those of `npm test`; `build-addon.mjs --sanitize` has built the addon,
// and LibTorch is as it is. A process of the tests inherits all of it, and what it reports lies in a file, so that
// nothing is lost whatever becomes of the process.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, it } from "vitest";
import { repositoryPath } from "../library/models.js";
import { folder, runSanitized } from "./support.js";

const scratch = mkdtempSync(join(tmpdir(), "clip-blip-sanitize-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** The runtime has to be there before Node's own allocations. Its name is the compiler's secret. */
const runtime = realpathSync(execFileSync("g++", ["-print-file-name=libasan.so"], { encoding: "utf8" }).trim());

/** A frame of our code, by its path in the repository, or of our or LibTorch's libraries. */
const OURS = /^ +#\d+ .*(?: native\/|\/(?:clip_blip|libtorch|libc10)[\w.]*\+0x)/;
/** A frame of V8, which may have a type in front. */
const V8 = /^ +#\d+ 0x\w+ in (?:\S+ )?v8::/;

/**
 * Whether our code or LibTorch has lost some memory, and not V8 under them: process.exit() leaves V8's heap as it is, and
 * as nobody looks for pointers in it, much of what V8 keeps beside it seems lost.
 */
function isOurs(leak: string): boolean {
  const frames = leak.split("\n");
  const first = frames.findIndex((frame) => OURS.test(frame));
  return first >= 0 && !frames.slice(0, first).some((frame) => V8.test(frame));
}

/** What a report has to say. */
function faultsIn(report: string): string[] {
  const text = report.replaceAll(/^.*WARNING: AddressSanitizer failed to allocate.*\n/gm, "");
  const leaks = text.split(/\n(?=(?:Direct|Indirect) leak of )/);
  if (leaks.length === 1) return text.trim() === "" ? [] : [text];
  return leaks.slice(1).filter(isOurs);
}

/** Runs a program in a Node with the addon under sanitizers; gives its end, and what the sanitizers of all its processes say. */
function run(args: string[], { leaks = true } = {}) {
  const logs = mkdtempSync(join(scratch, "logs-"));
  const options = (settings: Record<string, string | number>) =>
    Object.entries(settings)
      .map(([key, value]) => `${key}=${value}`)
      .join(":");
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    CLIP_BLIP_PREBUILD: folder,
    LD_PRELOAD: runtime,
    ASAN_OPTIONS: options({
      detect_leaks: Number(leaks),
      detect_stack_use_after_return: 1,
      // As malloc: tests ask for more memory than there is, and expect an error.
      allocator_may_return_null: 1,
      // Its own list of dynamic thread-local memory crashes the search for leaks with glibc 2.36.
      intercept_tls_get_addr: 0,
      // A fault is a signal, so that no test takes it for an end that it expects; a leak does not change the end.
      abort_on_error: 1,
      exitcode: 0,
      log_path: join(logs, "report"),
      log_exe_name: 1,
    }),
    LSAN_OPTIONS: options({ suppressions: repositoryPath("test/sanitize/lsan.supp"), print_suppressions: 0 }),
    // It writes to stderr, whatever log_path says.
    UBSAN_OPTIONS: options({ print_stacktrace: 1, abort_on_error: 1 }),
  };
  const ended = runSanitized(process.execPath, ["--expose-gc", "--import", "tsx", ...args], env);
  // Other programs than Node (mkfifo, say) have leaks of their own.
  const reports = readdirSync(logs).filter((file) => file.startsWith("report.node"));
  return { ...ended, reports: reports.flatMap((file) => faultsIn(readFileSync(join(logs, file), "utf8"))) };
}

/**
 * Suites of `npm test` that the addon has to stand: its operations, and how what runs them begins, fails and ends. Of one
 * that takes minutes a part, which a pattern of names picks.
 */
const suites: [suite: string, pattern?: string][] = [
  ...readdirSync(repositoryPath("test/native"))
    .filter((name) => name.endsWith(".test.ts"))
    .sort()
    .map((name): [string] => [`test/native/${name}`]),
  ["test/library/bad-input.test.ts"],
  ["test/library/export.test.ts"],
  ["test/library/generation.test.ts", "draws|same seed"],
  // But for the blocks that are kept: under AddressSanitizer none are.
  ["test/library/memory.test.ts", "memoryLimit|predicts|sizes|probe of"],
  ["test/faults/caching-device.test.ts"],
  ["test/faults/graphs.test.ts"],
  ["test/faults/out-of-memory.test.ts", "vectors"],
  ["test/faults/worker-threads.test.ts"],
  ["test/hostile/arguments.test.ts"],
  ["test/exit/close.test.ts"],
  ["test/exit/interleavings.test.ts"],
  ["test/exit/worker-threads.test.ts"],
];

describe("the addon under sanitizers", () => {
  const passes = (suite: string, pattern = ".", options?: { leaks: boolean }) => {
    const args = [repositoryPath("test/sanitize/run-suite.ts"), suite, pattern];
    const { status, signal, stdout, stderr, reports } = run(args, options);
    assert.deepEqual(reports, []);
    assert.equal(status, 0, `${signal ?? ""}\n${stderr}\n${stdout}`);
    assert.match(stdout, /^[1-9]\d* passed, 0 failed/m);
  };

  for (const [suite, pattern] of suites) it(`has no fault in ${suite}`, () => passes(suite, pattern));

  // The search for leaks takes longer than these processes may take to end, and what they leave goes with them.
  const matrix = "test/exit/exit-matrix.test.ts";
  it(`has no fault in ${matrix}, leaks aside`, () => passes(matrix, ".", { leaks: false }));
});

describe("a mistake in the addon", () => {
  const program = repositoryPath("test/sanitize/mistake.mjs");
  for (const [kind, seen] of [
    ["use-after-free", /heap-use-after-free native\/faults\/seeded\.cc:\d+ in UseAfterFree/],
    ["overflow", /heap-buffer-overflow native\/faults\/seeded\.cc:\d+ in Overflow/],
    ["undefined", /seeded\.cc:\d+:\d+: runtime error: signed integer overflow/],
    ["leak", /Direct leak of 1234 byte.*\n.*\n.* in Leak native\/faults\/seeded\.cc/],
    ["leaked-tensor", /Direct leak of \d+ byte.*\n.*\n.*TensorImpl/],
  ] as const) {
    it(`is seen: ${kind}`, () => {
      const { signal, stderr, reports } = run([program, kind]);
      assert.equal(signal, kind.startsWith("leak") ? null : "SIGABRT");
      assert.match(reports.join() + stderr, seen);
    });
  }

  it("is not seen where there is none", () => {
    const { status, stderr, reports } = run([program]);
    assert.deepEqual([status, stderr, reports], [0, "", []]);
  });

  it("is seen where a worker thread makes it, and where the process ends at once", () => {
    for (const way of ["thread", "exit"]) {
      const { status, reports } = run([program, "leak", way]);
      assert.equal(status, 0);
      assert.match(reports.join(), /^Direct leak of 1234 byte/, way);
    }
  });
});
