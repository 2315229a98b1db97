import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repositoryPath } from "../library/models.js";
import type { Standin } from "./standin.js";

/** What a program reads from CUDA_STANDIN_… and the rest of its environment. */
export interface ProgramOptions {
  env?: Record<string, string>;
}

/**
 * Runs a program of the repository on the stand-in, in a process of its own with a control block of its own, and gives
 * back the JSON lines that it prints. It fails where the program does.
 */
export async function runProgram<T = Record<string, unknown>>(
  standin: Standin,
  program: string,
  args: string[] = [],
  { env = {} }: ProgramOptions = {},
): Promise<T[]> {
  const folder = mkdtempSync(join(tmpdir(), "clip-blip-standin-"));
  try {
    const child = spawn(process.execPath, ["--import", "tsx", repositoryPath(program), ...args], {
      cwd: repositoryPath("."),
      env: { ...process.env, ...standin.env, CUDA_STANDIN_CONTROL: join(folder, "control"), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-8_000);
    });
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (...ended) => resolve(ended));
    });
    assert.equal(signal, null, `${program}: ${said}`);
    assert.equal(code, 0, `${program}: ${said}\n${output}`);
    // LibTorch would find one by itself, and warn whoever runs a service.
    assert.doesNotMatch(said, /no current CUDA context/, program);
    return output
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as T);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
