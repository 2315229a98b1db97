// libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer on the native parts that take what nobody vouches for.
// The targets are built with clang into build/fuzz, over the addon's own build; what they try begins with corpus/.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, it } from "vitest";
import { findLibTorch } from "../../dist/native/libtorch/find.js";
import { repositoryPath } from "../library/models.js";
import { SECONDS } from "./seconds.js";

const build = repositoryPath("build/fuzz");
mkdirSync(build, { recursive: true });
const scratch = mkdtempSync(join(tmpdir(), "clip-blip-fuzz-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const { root, libDir } = findLibTorch()!;

/** Each target, and the sources that are instrumented for it; the rest of the core is as it was built for the addon. */
const targets: Record<string, string[]> = {
  preprocess: ["image/preprocess.cc", "image/resample.cc", "image/kernels/resample_kernels.cc"],
  archive: ["model/archive.cc", "model/mapped_archive.cc", "device/no_test_seam.cc"],
  module_builder: ["model/module_builder.cc", "device/no_test_seam.cc"],
};

function compile(name: string, sources: string[]): string {
  const program = join(build, name);
  const include = [root, `${root}/include/torch/csrc/api`].flatMap((folder) => ["-isystem", `${folder}/include`]);
  const options = ["-std=c++20", "-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=fuzzer,address,undefined", "-w"];
  const headers = ["-iquote", repositoryPath("native")];
  // The plainest of the kernels: each of them has tests of its own against Pillow.
  const kernels = name === "preprocess" ? ["-DCLIP_BLIP_KERNELS=kResampleKernels"] : [];
  const files = [`test/fuzz/${name}.cc`, ...sources.map((source) => `native/${source}`)].map(repositoryPath);
  const core = repositoryPath("build/cmake/libclip_blip_core.a");
  const libraries = [
    "-Wl,--no-as-needed,--copy-dt-needed-entries",
    `-L${libDir}`,
    "-lc10",
    "-ltorch_cpu",
    "-ltorch",
    `-Wl,-rpath,${libDir}`,
  ];
  execFileSync(
    "clang++",
    [...options, ...headers, ...include, ...kernels, ...files, core, ...libraries, "-o", program],
    {
      stdio: "pipe",
    },
  );
  return program;
}

describe(`${SECONDS} s of coverage-guided fuzzing each`, () => {
  for (const [name, sources] of Object.entries(targets)) {
    it(name, (t) => {
      const program = compile(name, sources);
      // A copy: what the fuzzer adds stays out of the repository.
      const corpus = join(scratch, name);
      mkdirSync(corpus);
      const kept = repositoryPath(`test/fuzz/corpus/${name}`);
      if (existsSync(kept)) cpSync(kept, corpus, { recursive: true });
      const options = [
        `-max_total_time=${SECONDS}`,
        "-max_len=8192",
        "-rss_limit_mb=4096",
        "-timeout=20",
        `-artifact_prefix=${build}/`,
      ];
      const { status, stderr } = spawnSync(program, [...options, corpus], { encoding: "utf8", maxBuffer: 1 << 28 });
      const [runs] = /Done (\d+) runs/.exec(stderr)?.slice(1) ?? ["0"];
      t.annotate(`${runs} runs, ${/cov: (\d+)/.exec(stderr.slice(stderr.lastIndexOf("cov:")))?.[1]} edges`);
      assert.equal(status, 0, stderr.slice(-6000));
      assert.ok(Number(runs) > 100);
    });
  }
});
