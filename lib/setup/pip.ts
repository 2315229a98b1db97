import { spawn, spawnSync } from "node:child_process";
import type { LibTorchVariant } from "../native/libtorch/cache.js";

/** PyTorch's own index of CPU builds: on Linux the default index has the CUDA build only. */
const CPU_INDEX = "https://download.pytorch.org/whl/cpu";
/** PyTorch's own index of CUDA builds: on Windows the default index has the CPU build only. */
const CUDA_INDEX = "https://download.pytorch.org/whl/cu130";

/** The command that starts Python on this platform. */
export const PYTHON = process.platform === "win32" ? "python" : "python3";

/** One way to ask pip for LibTorch. */
export interface PipAttempt {
  /** What pip is to install, such as "torch==2.13.0+cpu". */
  requirement: string;
  /** Options that choose the index. */
  index: string[];
}

/**
 * The ways to ask pip for a variant, best first. pip's own configuration (an index, a folder of wheels) holds beside
 * what is named here, and `CLIP_BLIP_TORCH_INDEX` replaces it.
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
  // Letter by letter: "==" is also content with a CPU build (2.13.0+cpu) that pip knows of from its configuration.
  if (variant === "cuda") return [{ requirement: `torch===${version}`, index: [] }];
  return [plain];
}

/** pip's arguments for one attempt; `report`, where given, is a file for what was installed from where. */
export function pipArguments(attempt: PipAttempt, target: string, variant: LibTorchVariant, report?: string): string[] {
  return [
    ...["-m", "pip", "install", "--target", target],
    ...(report === undefined ? [] : ["--report", report]),
    // Only the shared libraries matter: the CPU build holds them all, the CUDA build's are in packages it depends on.
    ...(variant === "cpu" ? ["--no-deps"] : []),
    // Wheels only: nothing is compiled, and no package's own code runs.
    ...["--only-binary", ":all:", "--no-compile", "--no-input", "--disable-pip-version-check"],
    // An index that cannot be reached must not hold up the others.
    ...["--retries", "2", "--timeout", "20"],
    ...attempt.index,
    attempt.requirement,
  ];
}

/** Why pip cannot be used here, as a clause; undefined where it can. */
export function pipProblem(): string | undefined {
  const result = spawnSync(PYTHON, ["-m", "pip", "--version"], { stdio: "ignore", timeout: 30_000, windowsHide: true });
  if (result.error) return `${PYTHON} is not there`;
  return result.status === 0 ? undefined : `${PYTHON} has no pip`;
}

/** Whether pip is too old (before 22.2) to write a report, going by what it said. */
export function knowsNoReport(said: string): boolean {
  return said.includes("no such option: --report");
}

/** What `runPip` is told. */
export interface RunPipOptions {
  /** Where pip unpacks: beside its target, so that moving gigabytes is a rename. */
  temporary: string;
  signal?: AbortSignal;
  /** Takes pip's lines; left out, pip writes to this process's standard error itself, with its progress bar. */
  onLine?: (line: string) => void;
}

/** Runs pip; resolves with whether it succeeded and what it said last, rejects only when aborted. */
export async function runPip(
  args: string[],
  { temporary, signal, onLine }: RunPipOptions,
): Promise<{ ok: boolean; said: string }> {
  signal?.throwIfAborted();
  const child = spawn(PYTHON, args, {
    env: {
      ...process.env,
      TMPDIR: temporary,
      // A pip configured for --user, or to insist on a virtual environment, would refuse --target.
      PIP_USER: "0",
      PIP_REQUIRE_VIRTUALENV: "0",
      // Its warning to root is about packages outside --target.
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
