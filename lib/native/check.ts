import { type ExecFileException, execFile } from "node:child_process";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** What the addon says of the LibTorch that it loaded. */
export interface LibTorchReport {
  torchVersion: string;
  devices: { name: string; description: string; free?: number; total?: number }[];
  fastBfloat16: boolean;
}

/** A report, or why there is none. */
export type LibTorchCheck =
  | { ok: true; report: LibTorchReport }
  | { ok: false; error: { code?: string; message: string } };

/** Of what the child prints: drivers may be talkative, a report has less than 1 kB. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/**
 * Loads the addon and LibTorch in a child process and returns what they report. A library that crashes or hangs takes
 * only the child with it. `env` decides which LibTorch is found.
 */
export async function checkLibTorch(
  options: { env?: NodeJS.ProcessEnv; timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<LibTorchCheck> {
  const { env, timeoutMs: timeout = 120_000, signal } = options;
  signal?.throwIfAborted();
  const here = fileURLToPath(import.meta.url);
  const extension = extname(here);
  const script = join(dirname(here), `report${extension}`);
  // In the repository this file may run as TypeScript, and the child then needs what runs it.
  const loader = extension === ".ts" ? ["--import", "tsx"] : [];
  const limits = { timeout, killSignal: "SIGKILL", signal, maxBuffer: MAX_OUTPUT_BYTES } as const;
  const run = promisify(execFile)(process.execPath, [...loader, script], { env, windowsHide: true, ...limits });
  const { stdout, stderr, ...ended } = await run.catch((error: ExecFileException) => error);
  signal?.throwIfAborted();

  const answer = parse(stdout ?? "");
  if (answer && "error" in answer) return { ok: false, error: answer.error };
  if (answer) return { ok: true, report: answer };
  const said = (stderr ?? "").slice(-4_000).trim();
  return { ok: false, error: { message: `loading LibTorch failed: ${reason(ended, timeout)}${said && `\n${said}`}` } };
}

function reason({ code, signal, killed, message }: Partial<ExecFileException>, timeout: number): string {
  if (killed && signal) return `it did not answer within ${timeout / 1000} s`;
  if (signal) return `the process was ended by ${signal}`;
  return typeof code === "string" ? message! : `the process ended with code ${code ?? 0} and no report`;
}

/** The last line that is the report: a driver may print lines of its own before it. */
function parse(output: string): LibTorchReport | { error: { code: string; message: string } } | undefined {
  const line = output.trim().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
