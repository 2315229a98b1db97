import { arch, availableParallelism, cpus, platform, release } from "node:os";
import { availableMemory, totalMemory } from "../../common/system-memory.js";
import { formatBytes } from "../progress.js";
import type { Check } from "./check.js";

/** The oldest Node that this package runs on. */
const MIN_NODE = [20, 19] as const;

/** Node, the operating system, the CPU and memory. */
export function checkMachine(): Check[] {
  return [checkNode(process.versions.node), checkPlatform(), checkCpu(), checkMemory()];
}

/** Whether a version of Node is new enough. */
function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const recent = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  return {
    name: "Node",
    status: recent ? "ok" : "missing",
    detail: version,
    remedy: recent ? undefined : `install Node ${MIN_NODE.join(".")} or newer`,
    data: { version },
  };
}

function checkPlatform(): Check {
  const data: Record<string, unknown> = { platform: platform(), arch: arch(), release: release() };
  const check: Check = { name: "Platform", status: "ok", detail: `${platform()} ${arch()}, ${release()}`, data };
  if (platform() !== "linux") return check;
  const glibc = glibcVersion();
  data.glibc = glibc;
  if (glibc) return { ...check, detail: `${check.detail}, glibc ${glibc}` };
  const remedy = "LibTorch needs glibc: use Debian, Ubuntu or another distribution with glibc, not musl (Alpine)";
  return { ...check, status: "missing", detail: `${check.detail}, no glibc`, remedy };
}

function glibcVersion(): string | undefined {
  // Otherwise the report looks up the names of all network interfaces.
  (process.report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime;
}

function checkCpu(): Check {
  const cores = availableParallelism();
  const model = cpus()[0]?.model.trim() ?? "unknown";
  return { name: "CPU", status: "ok", detail: `${model}, ${cores} cores`, data: { model, cores } };
}

function checkMemory(): Check {
  const [free, total] = [availableMemory(), totalMemory()];
  return {
    name: "Memory",
    status: "ok",
    detail: `${formatBytes(free)} free of ${formatBytes(total)}`,
    data: { free, total },
  };
}

/** sharp, which decodes pictures, and the libvips in it. */
export async function checkImages(): Promise<Check> {
  try {
    const { default: sharp } = await import("sharp");
    const { sharp: version, vips } = sharp.versions;
    return { name: "sharp", status: "ok", detail: `${version}, libvips ${vips}`, data: { version, vips } };
  } catch (error) {
    // sharp's own message is a page of remedies; its first line is the reason.
    const [detail] = (error as Error).message.split("\n");
    return {
      name: "sharp",
      status: "missing",
      detail: detail!,
      remedy: "run `npm install` again on this machine, with optional dependencies",
    };
  }
}
