// `npm run test:sanitize`: what threads share in the native code, as plain programs under the sanitizers.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "vitest";
import { findLibTorch } from "../../dist/native/libtorch/find.js";
import { repositoryPath } from "../library/models.js";
import { folder, runSanitized } from "./support.js";

const { root, libDir } = findLibTorch()!;

/** Compiles a program with some sanitizers and runs it. LibTorch is linked where it is used, and is not instrumented. */
function run(name: string, sanitizers: string, sources: string[]) {
  const program = join(folder, name);
  const options = [
    "-std=c++20",
    "-O1",
    "-g1",
    "-DNDEBUG",
    "-fno-omit-frame-pointer",
    "-pthread",
    "-w",
    "-iquote",
    repositoryPath("native"),
  ];
  const headers = ["include", "include/torch/csrc/api/include"].flatMap((path) => ["-isystem", join(root, path)]);
  const libraries = ["-Wl,--as-needed", `-L${libDir}`, "-lc10", "-ltorch_cpu", "-ldl", `-Wl,-rpath,${libDir}`];
  execFileSync(
    "g++",
    [...options, `-fsanitize=${sanitizers}`, "-fno-sanitize=vptr", ...headers, ...sources, "-o", program, ...libraries],
    { stdio: "pipe" },
  );
  return runSanitized(program);
}

/** memory.cc with one scope for all threads, where each has its own. */
function memoryOfOneScope(): string {
  const source = readFileSync(repositoryPath("native/device/memory.cc"), "utf8");
  const broken = source.replace("thread_local MemoryScope*", "MemoryScope*");
  assert.notEqual(broken, source);
  const path = join(folder, "memory_of_one_scope.cc");
  writeFileSync(path, broken);
  return path;
}

const core = (name: string) => repositoryPath(`native/device/${name}`);
const own = (name: string) => repositoryPath(`test/sanitize/${name}`);

const programs = [
  {
    what: "the turns on devices, on a fake device",
    name: "device_turns",
    sources: [],
    subject: core("device_turns.cc"),
    done: /^\d+ turns\n$/,
    mistake: "let two threads in",
    broken: () => own("broken_turns.cc"),
  },
  {
    what: "the thread of a device, on a fake device",
    name: "device_thread",
    sources: [core("device_turns.cc"), core("memory.cc"), core("block_cache.cc"), core("failure.cc")],
    subject: core("device_thread.cc"),
    done: /^24000 calls\n$/,
    mistake: "let callers in",
    broken: () => own("broken_thread.cc"),
  },
  {
    what: "the counts of CPU memory",
    name: "memory",
    sources: [core("block_cache.cc")],
    subject: core("memory.cc"),
    done: /^3200 scopes\n$/,
    mistake: "have one scope for all threads",
    broken: memoryOfOneScope,
  },
];

for (const { what, name, sources, subject, done, mistake, broken } of programs) {
  describe(what, () => {
    const all = [own(`${name}.cc`), ...sources];
    for (const sanitizers of ["thread", "address,undefined"]) {
      it(`have no fault that -fsanitize=${sanitizers} finds`, () => {
        const { status, stdout, stderr } = run(`${name}-${sanitizers.split(",")[0]}`, sanitizers, [...all, subject]);
        assert.equal(stderr, "");
        assert.equal(status, 0);
        assert.match(stdout, done);
      });
    }

    it(`are seen to fail where they ${mistake}`, () => {
      const { status, stderr } = run(`${name}-broken`, "thread", [...all, broken()]);
      assert.notEqual(status, 0);
      assert.match(stderr, /ThreadSanitizer: data race|two threads/);
    });
  });
}
