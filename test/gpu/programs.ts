import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

/** How this file is called: `.ts` among the sources, which tsx runs, `.js` where they were compiled. */
const ENDING = extname(import.meta.url);
const FLAGS = ENDING === ".ts" ? ["--import", "tsx"] : [];

/**
 * Runs a program of this folder, named without its ending, in a process of its own, whose allocator may take `bytes` of the GPU's memory at most,
 * and gives back the JSON that it prints. LibTorch reads the share once, when it first touches the GPU.
 */
export function runWithin<T>(bytes: number, total: number, program: string, ...parameters: string[]): T {
  const path = fileURLToPath(new URL(`./${program}${ENDING}`, import.meta.url));
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...FLAGS, path, ...parameters], {
    encoding: "utf8",
    env: { ...process.env, PYTORCH_ALLOC_CONF: `per_process_memory_fraction:${Math.min(1, bytes / total)}` },
    timeout: 240_000,
  });
  assert.equal(signal, null, stderr);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as T;
}
