import { existsSync } from "node:fs";
import { join } from "node:path";

/** Where Linux distributions install the driver's library. */
const LIBRARY_FOLDERS = [
  "/usr/lib/x86_64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/usr/lib64",
  "/usr/lib",
  "/usr/lib/wsl/lib",
  "/usr/local/nvidia/lib64",
];

/**
 * Whether this machine has an NVIDIA driver. Only checks for files: opening a broken driver can hang or crash the
 * process.
 */
export function hasNvidiaDriver(env: NodeJS.ProcessEnv = process.env): boolean {
  if (process.platform === "darwin") return false;
  if (process.platform === "win32") {
    return existsSync(join(env.SystemRoot ?? "C:\\Windows", "System32", "nvcuda.dll"));
  }
  if (existsSync("/proc/driver/nvidia/version")) return true;
  const searched = (env.LD_LIBRARY_PATH ?? "").split(":").filter(Boolean);
  return [...searched, ...LIBRARY_FOLDERS].some((folder) => existsSync(join(folder, "libcuda.so.1")));
}
