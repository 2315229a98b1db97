import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { repositoryPath } from "../library/models.js";

/** Where everything of these tests is built. */
export const folder = repositoryPath("build/sanitize");
mkdirSync(folder, { recursive: true });

/** On kernels that place memory at random over more than 28 bits, the sanitizers of GCC 12 and 13 do not find their own. */
const fixedAddresses = spawnSync("setarch", ["-R", "true"]).status === 0 ? ["setarch", "-R"] : [];

/** Runs a program that sanitizers are in, and waits for it. */
export function runSanitized(program: string, args: string[] = [], env: NodeJS.ProcessEnv = process.env) {
  const [command, ...rest] = [...fixedAddresses, program, ...args];
  return spawnSync(command!, rest, { encoding: "utf8", timeout: 300_000, maxBuffer: 1 << 26, env });
}
