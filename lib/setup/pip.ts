import { spawn, spawnSync } from "node:child_process";
import type { LibTorchVariant } from "../native/libtorch/cache.js";

/** PyTorch's own index of CPU builds: on Linux, the default index has only the CUDA build. */
const CPU_INDEX = "https://download.pytorch.org/whl/cpu";
/** PyTorch's own index of CUDA builds: on Windows, the default index has only the CPU build. */
const CUDA_INDEX = "https://download.pytorch.org/whl/cu130";

/** The command that starts Python on this platform. */
const PYTHON = process.platform === "win32" ? "python" : "python3";

/** One way to ask pip for LibTorch. */
export interface PipAttempt {
  /** What pip should install, such as "torch==2.13.0+cpu". */
  requirement: string;
  /** Options that choose the index. */
  index: string[];
}

/**
 * The ways to ask pip for a variant, best first. pip's own configuration (an index, a folder of wheels) applies in
 * addition to the index given here; `CLIP_BLIP_TORCH_INDEX` replaces the latter.
 */
export function pipAttempts(
  version: string,
  variant: LibTorchVariant,
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): PipAttempt[] {
  const requirement = `torch==${version}`;
  if (env.CLIP_BLIP_TORCH_INDEX) return [{ requirement, index: ["--index-url", env.CLIP_BLIP_TORCH_INDEX] }];
  const plain: PipAttempt = { requirement, index: [] };
  if (variant === "cpu" && platform === "linux") {
    return [{ requirement: `${requirement}+cpu`, index: ["--extra-index-url", CPU_INDEX] }, plain];
  }
  if (variant === "cuda" && platform === "win32") {
    return [{ requirement: `${requirement}+cu130`, index: ["--extra-index-url", CUDA_INDEX] }];
  }
  // "===" compares literally: "==" would also accept a CPU build (2.13.0+cpu) from an index in pip's configuration.
  if (variant === "cuda") return [{ requirement: `torch===${version}`, index: [] }];
  return [plain];
}

/** pip's arguments for one attempt. `report` is an optional file to which pip writes what it installed from where. */
export function pipArguments(attempt: PipAttempt, target: string, variant: LibTorchVariant, report?: string): string[] {
  return [
    ...["-m", "pip", "install", "--target", target],
    ...(report === undefined ? [] : ["--report", report]),
    // Only the shared libraries are needed: the CPU build contains all of them; the CUDA build has some in its
    // dependencies.
    ...(variant === "cpu" ? ["--no-deps"] : []),
    // Only wheels: nothing is compiled, and no package's code runs.
    ...["--only-binary", ":all:", "--no-compile", "--no-input", "--disable-pip-version-check"],
    // An unreachable index must not hold up the others.
    ...["--retries", "2", "--timeout", "20"],
    ...attempt.index,
    attempt.requirement,
  ];
}

/** Why pip cannot be used, as a clause; undefined if it can. */
export function pipProblem(): string | undefined {
  const result = spawnSync(PYTHON, ["-m", "pip", "--version"], { stdio: "ignore", timeout: 30_000, windowsHide: true });
  if (result.error) return `${PYTHON} was not found`;
  return result.status === 0 ? undefined : `${PYTHON} has no pip`;
}

/** Whether pip's output shows that it is too old (before 22.2) to write a report. */
export function knowsNoReport(said: string): boolean {
  return said.includes("no such option: --report");
}

/** Options of `runPip`. */
export interface RunPipOptions {
  /** Where pip unpacks: on the file system of its target, so that gigabytes are moved by a rename. */
  temporary: string;
  signal?: AbortSignal | undefined;
  /** Receives pip's output by lines. Default: pip writes to this process's standard error, with its progress bar. */
  onLine?: ((line: string) => void) | undefined;
}

/** Runs pip. Resolves with whether it succeeded and its last output; rejects only if aborted. */
export async function runPip(
  args: string[],
  { temporary, signal, onLine }: RunPipOptions,
): Promise<{ ok: boolean; said: string }> {
  signal?.throwIfAborted();
  const child = spawn(PYTHON, args, {
    env: {
      ...process.env,
      TMPDIR: temporary,
      // With --user or a required virtual environment in its configuration, pip would refuse --target.
      PIP_USER: "0",
      PIP_REQUIRE_VIRTUALENV: "0",
      // Its warning to root does not apply to --target.
      PIP_ROOT_USER_ACTION: "ignore",
    },
    stdio: onLine ? ["ignore", "pipe", "pipe"] : ["ignore", 2, 2],
    windowsHide: true,
  });
  const tail: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    let rest = "";
    stream?.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split(/\r?\n/);
      rest = lines.pop()!;
      for (const line of lines) {
        tail.push(line);
        onLine?.(line);
      }
      tail.splice(0, tail.length - 20);
    });
  }
  const stop = () => child.kill();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const code = await new Promise<number | null>((resolve) => {
      child.once("error", () => resolve(null));
      child.once("close", resolve);
    });
    signal?.throwIfAborted();
    return { ok: code === 0, said: tail.join("\n") };
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}
