import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The program of the command line. */
export const PROGRAM = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** The pictures that come with the package. */
export const PICTURES = fileURLToPath(new URL("../../models/demo-pictures", import.meta.url));

/** How a run of the program ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  out: string;
  err: string;
}

/** Starts the program as a user's shell would; without a terminal. `path`: of another copy of it. */
export function start(
  args: string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
  path = PROGRAM,
): ChildProcess {
  const { env, cwd } = options;
  return spawn(process.execPath, [path, ...args], {
    cwd,
    env: { ...process.env, CLIP_MODEL: "", BLIP_MODEL: "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Waits for a run to end. */
export async function ended(child: ChildProcess): Promise<Ended> {
  let [out, err] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text) => {
    out += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text) => {
    err += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, out, err }));
  });
}

/** Runs the program to its end. */
export const run = (...args: Parameters<typeof start>): Promise<Ended> => ended(start(...args));

/** The lines of JSON Lines, parsed. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}
