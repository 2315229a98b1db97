import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeEach, describe, test } from "vitest";
import { ClipBlipError } from "../../lib/common/errors.js";
import { cacheFolder, cacheRoot } from "../../lib/native/libtorch/cache.js";
import { PINNED_LIBTORCH } from "../../lib/native/libtorch/version.js";
import { installLibTorch } from "../../lib/setup/install.js";
import { pipArguments, pipAttempts } from "../../lib/setup/pip.js";

const scratch = mkdtempSync(join(tmpdir(), "clip-blip-install-"));
const saved = { ...process.env };
afterAll(() => {
  process.env = saved;
  rmSync(scratch, { recursive: true, force: true });
});

describe("asking pip", () => {
  const requirements = (...args: Parameters<typeof pipAttempts>) => pipAttempts(...args).map((a) => a.requirement);

  test("the CPU build on Linux has its own index, and what pip offers itself comes second", () => {
    const attempts = pipAttempts("2.13.0", "cpu", {}, "linux");
    assert.deepEqual(attempts[0], {
      requirement: "torch==2.13.0+cpu",
      index: ["--extra-index-url", "https://download.pytorch.org/whl/cpu"],
    });
    assert.deepEqual(attempts[1], { requirement: "torch==2.13.0", index: [] });
  });

  test("the default index is right elsewhere", () => {
    assert.deepEqual(requirements("2.13.0", "cuda", {}, "linux"), ["torch===2.13.0"]);
    assert.deepEqual(requirements("2.13.0", "cpu", {}, "darwin"), ["torch==2.13.0"]);
    assert.deepEqual(requirements("2.13.0", "cuda", {}, "win32"), ["torch==2.13.0+cu130"]);
  });

  test("CLIP_BLIP_TORCH_INDEX replaces every index", () => {
    const env = { CLIP_BLIP_TORCH_INDEX: "https://mirror.example/cpu" };
    assert.deepEqual(pipAttempts("2.13.0", "cpu", env, "linux"), [
      { requirement: "torch==2.13.0", index: ["--index-url", "https://mirror.example/cpu"] },
    ]);
  });

  test("Python packages come along for the CUDA build only", () => {
    const attempt = { requirement: "torch==2.13.0", index: [] };
    assert.ok(pipArguments(attempt, "/t", "cpu", "/r").includes("--no-deps"));
    assert.ok(!pipArguments(attempt, "/t", "cuda", "/r").includes("--no-deps"));
  });
});

// The stand-in for python3 is a shell script.
describe("installing", () => {
  let machine: string;
  const folder = () => cacheFolder(PINNED_LIBTORCH, "cpu");
  const install = (signal?: AbortSignal, log: string[] = []) =>
    installLibTorch({
      variant: "cpu",
      verify: false,
      signal,
      log: (line) => log.push(line),
      onPipLine: (line) => log.push(line),
    });

  /** A python3 whose pip runs `script`; `$target` is where it is to install, `$last` what. */
  function pip(script: string): void {
    const lines = [
      "#!/bin/sh",
      'case "$*" in *--version*) exit 0;; esac',
      'while [ $# -gt 0 ]; do [ "$1" = --target ] && target=$2; [ "$1" = --report ] && report=$2; last=$1; shift; done',
      `build=cpu; torch() { mkdir -p "$target/torch/lib"; : > "$target/torch/lib/libtorch_cpu.so"; echo "__version__ = '2.13.0+$build'" > "$target/torch/version.py"; wheel torch-2.13.0.whl 00; }`,
      `wheel() { printf '{"install":[{"metadata":{"name":"torch"},"download_info":{"url":"https://x.test/%s#y","archive_info":{"hashes":{"sha256":"%s"}}}}]}' "$1" "$2" > "$report"; }`,
      script,
    ];
    writeFileSync(join(machine, "python3"), lines.join("\n"));
    chmodSync(join(machine, "python3"), 0o755);
  }

  beforeEach((t) => {
    t.skip(process.platform === "darwin", "macOS has no variable for the cache folder");
    machine = mkdtempSync(join(scratch, "machine-"));
    process.env.XDG_CACHE_HOME = join(machine, "cache");
    process.env.PATH = `${machine}${delimiter}/usr/bin${delimiter}/bin`;
    delete process.env.LIBTORCH;
    delete process.env.CLIP_BLIP_TORCH_INDEX;
  });

  const onlyTheResult = () => assert.deepEqual(readdirSync(cacheRoot()), [`libtorch-${PINNED_LIBTORCH}-cpu`]);
  const nothing = () => assert.deepEqual(readdirSync(cacheRoot()), []);

  test("puts what pip installed in the cache, and leaves it alone the second time", async () => {
    pip("torch; echo done");
    const log: string[] = [];
    const { location } = await install(undefined, log);
    assert.deepEqual([location.source, location.path, location.version], ["cache", folder(), PINNED_LIBTORCH]);
    assert.ok(log.includes("done"));
    onlyTheResult();
    pip("exit 1");
    assert.equal((await install()).location.root, location.root);
  });

  test("goes on to the next way when pip fails", async () => {
    pip('case "$last" in *+cpu) mkdir -p "$target/half"; exit 1;; esac; torch');
    await install();
    assert.ok(!existsSync(join(folder(), "half")));
    onlyTheResult();
  });

  test("fails with what to do instead, and leaves nothing behind", async () => {
    pip("echo no such wheel >&2; exit 1");
    await assert.rejects(install(), (error) => {
      assert.ok(error instanceof ClipBlipError);
      assert.equal(error.code, "ERR_LIBTORCH_NOT_FOUND");
      assert.match(error.message, /set LIBTORCH[\s\S]*no such wheel/);
      return true;
    });
    nothing();
  });

  test("says so where the cache folder cannot be made", async () => {
    pip("torch");
    const file = join(machine, "file");
    writeFileSync(file, "");
    process.env.XDG_CACHE_HOME = file;
    await assert.rejects(install(), (error) => {
      assert.ok(error instanceof ClipBlipError);
      assert.equal(error.code, "ERR_LIBTORCH_NOT_FOUND");
      assert.match(
        error.message,
        /^LibTorch cannot be installed into .*file.clip-blip \((ENOTDIR|EEXIST)\): make it a writable folder/,
      );
      return true;
    });
  });

  test("holds the wheel against the hash that was published", async () => {
    const name = "torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl";
    pip(`torch; wheel ${name} 0123`);
    await assert.rejects(install(), /has the SHA-256 0123, but PyTorch published it with 796633c4/);
    nothing();
    pip(`torch; wheel ${name} 796633c4cdf0fe2cdced72d8f88f22e73dbcfce83132763162f6d4bff13b820b`);
    const log: string[] = [];
    await install(undefined, log);
    assert.ok(log.some((line) => line.includes("has the hash that PyTorch published")));
    onlyTheResult();
  });

  test("does without the hash where pip is too old to tell it", async () => {
    pip('[ -n "$report" ] && { echo "no such option: --report" >&2; exit 2; }; wheel() { :; }; torch');
    const log: string[] = [];
    await install(undefined, log);
    assert.ok(log.some((line) => line.includes("not known here")));
    onlyTheResult();
  });

  test("refuses the CUDA build where the CPU build was asked for", async () => {
    pip(`build=cu130; torch; : > "$target/torch/lib/libtorch_cuda.so"`);
    await assert.rejects(install(), /the cu130 build of LibTorch and not the cpu build/);
    nothing();
  });

  test("says what is missing where there is no Python, or no pip", async () => {
    writeFileSync(join(machine, "python3"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    await assert.rejects(install(), /python3 has no pip/);
    process.env.PATH = join(machine, "empty");
    await assert.rejects(install(), /python3 was not found/);
  });

  test("replaces an installation that is not complete, and removes what a killed one left", async () => {
    pip("torch");
    mkdirSync(folder(), { recursive: true });
    mkdirSync(join(cacheRoot(), `.libtorch-${PINNED_LIBTORCH}-cpu.abc123`));
    await install();
    onlyTheResult();
  });

  test("an abort ends pip and leaves nothing behind", async () => {
    pip("exec sleep 30");
    const controller = new AbortController();
    const started = Date.now();
    setTimeout(() => controller.abort(new Error("stop it")), 300);
    await assert.rejects(install(controller.signal), /stop it/);
    assert.ok(Date.now() - started < 5_000);
    nothing();
  });

  test("two at a time: one waits, pip runs once", async () => {
    pip(`echo run >> "${machine}/runs"; sleep 0.3; torch`);
    const results = await Promise.all([install(), install()]);
    assert.equal(results[0].location.root, results[1].location.root);
    assert.equal(readFileSync(join(machine, "runs"), "utf8"), "run\n");
  });
});
