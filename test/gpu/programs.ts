import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * Runs a program of this folder, named without its ending, in a process of its own, and gives back the JSON that it
 * prints. Its allocator may take up to `bytes` of the GPU's memory: LibTorch reads that share once, when it first touches
 * the GPU.
 */
export function runWithin<T>(bytes: number, total: number, program: string, ...parameters: string[]): T {
  const path = fileURLToPath(new URL(`./${program}.ts`, import.meta.url));
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", path, ...parameters], {
    encoding: "utf8",
    env: { ...process.env, PYTORCH_ALLOC_CONF: `per_process_memory_fraction:${Math.min(1, bytes / total)}` },
    timeout: 240_000,
  });
  assert.equal(signal, null, stderr);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as T;
}
