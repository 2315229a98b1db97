import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";

/** What a figure depends on beside the program; no name of the machine. */
export function machine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    instructions: cpuFlags(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release().match(/^\d+\.\d+/)?.[0] ?? ""} ${process.arch}`,
    node: process.version,
    ...gpu(),
  };
}

/** One line for a record. */
export function describeMachine({ cpu, cores, instructions, memoryGiB, system, gpu, driver }) {
  const flags = instructions.length ? ` (${instructions.join(", ")})` : "";
  const device = gpu ? `; ${gpu}, driver ${driver}` : "";
  return `${cpu}, ${cores} cores${flags}, ${memoryGiB} GiB, ${system}${device}`;
}

/** Those instructions on which the speed of a forward depends most. */
function cpuFlags() {
  try {
    const flags = new Set(/^flags\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1].split(" "));
    return ["avx2", "avx512f", "avx512_bf16", "amx_bf16"].filter((flag) => flags.has(flag));
  } catch {
    return [];
  }
}

function gpu() {
  const { status, stdout } = spawnSync("nvidia-smi", ["--query-gpu=name,driver_version", "--format=csv,noheader"], {
    encoding: "utf8",
  });
  if (status !== 0) return {};
  const [name, driver] = stdout.split("\n")[0].split(", ");
  return { gpu: name, driver };
}
