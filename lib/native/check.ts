import { spawn } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

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

/**
 * Loads the addon and LibTorch in a child process and gives back what they say, so that one that crashes or hangs does
 * so there. `env` decides which LibTorch is found.
 */
export async function checkLibTorch(
  options: { env?: NodeJS.ProcessEnv; timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<LibTorchCheck> {
  const { env = process.env, timeoutMs = 120_000, signal } = options;
  signal?.throwIfAborted();
  const extension = extname(new URL(import.meta.url).pathname);
  const script = fileURLToPath(new URL(`./report${extension}`, import.meta.url));
  // In the repository this file may run as TypeScript, and the child then needs what runs it.
  const loader = extension === ".ts" ? ["--import", "tsx"] : [];
  const child = spawn(process.execPath, [...loader, script], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
    windowsHide: true,
  });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-4_000);
  });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill("SIGKILL");
  }, timeoutMs);
  const stop = () => child.kill("SIGKILL");
  signal?.addEventListener("abort", stop, { once: true });
  const ended = await new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, by) => resolve(by ? `it was ended by ${by}` : `it ended with code ${code}`));
  });
  clearTimeout(timer);
  signal?.removeEventListener("abort", stop);
  signal?.throwIfAborted();

  const answer = parse(output);
  if (answer && "error" in answer) return { ok: false, error: answer.error };
  if (answer) return { ok: true, report: answer };
  const why = timedOut ? `it did not answer within ${timeoutMs / 1000} s` : ended;
  const said = errors.trim();
  return { ok: false, error: { message: `loading LibTorch failed: ${why}${said ? `\n${said}` : ""}` } };
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
