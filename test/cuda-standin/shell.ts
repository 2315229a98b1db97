import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Missing } from "./missing.js";

/** Runs a program to its end and gives back what it wrote; an error says what it said last. */
export async function run(program: string, args: string[], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { env, maxBuffer: 1 << 28 });
    return stdout;
  } catch (error) {
    const { code, stdout = "", stderr = "", message } = error as Error & Record<"code" | "stdout" | "stderr", string>;
    if (code === "ENOENT") throw new Missing(`${program} is not on this machine`);
    const said = `${stdout}\n${stderr}`.trim().split("\n").slice(-30).join("\n");
    throw new Error(`${program} failed: ${said || message}`);
  }
}

/** Python's modules, or Missing. */
export async function pip(...args: string[]): Promise<void> {
  try {
    await run("python3", ["-m", "pip", ...args, "--no-input", "--disable-pip-version-check", "--retries", "2"]);
  } catch (error) {
    if (error instanceof Missing) throw error;
    const reason = (error as Error).message.split("\n").findLast((line) => /^ERROR|No module named/.test(line));
    throw new Missing(`pip does not get ${args.at(-1)}: ${reason ?? (error as Error).message.split("\n").at(-1)}`);
  }
}
