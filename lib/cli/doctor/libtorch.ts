import nodeGypBuild from "node-gyp-build";
import { packagePath, packageRequire } from "../../common/package-path.js";
import { checkLibTorch, type LibTorchReport } from "../../native/check.js";
import { hasNvidiaDriver } from "../../native/libtorch/driver.js";
import { type LibTorchSearch, searchLibTorch } from "../../native/libtorch/find.js";
import { minorOf } from "../../native/libtorch/version.js";
import { formatBytes } from "../progress.js";
import type { Check } from "./check.js";

/** Checks the addon, LibTorch, and the devices they can use. */
export async function checkNative(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Check[]> {
  const addon = checkAddon();
  const found = search(env);
  const libtorch = checkLocation(found);
  if (addon.status === "missing" || libtorch.status === "missing") return [addon, libtorch];
  const loaded = await checkLibTorch({ env, signal });
  if (loaded.ok) return [addon, libtorch, ...checkDevices(loaded.report, found, env)];
  const remedy = "run `npx clip-blip setup`, or set LIBTORCH to the folder of another LibTorch";
  return [addon, libtorch, { name: "Devices", status: "missing", detail: loaded.error.message, remedy }];
}

/** Loads only the loader, which is safe: it does not link LibTorch. */
function checkAddon(): Check {
  const name = "Addon";
  try {
    const path = nodeGypBuild.path(packagePath("."));
    const { builtForTorch } = packageRequire()(path) as { builtForTorch: string };
    const data = { path, libtorch: builtForTorch };
    return { name, status: "ok", detail: `${path}, for LibTorch ${minorOf(builtForTorch)}`, data };
  } catch (error) {
    const [detail] = (error as Error).message.split("\n");
    return { name, status: "missing", detail: detail!, remedy: "build it: npm install in a clone of the repository" };
  }
}

/** The search for LibTorch, or its error if LIBTORCH is wrong. */
function search(env: NodeJS.ProcessEnv): LibTorchSearch | { error: Error } {
  try {
    return searchLibTorch({ env });
  } catch (error) {
    return { error: error as Error };
  }
}

function checkLocation(found: LibTorchSearch | { error: Error }): Check {
  const name = "LibTorch";
  if ("error" in found) return { name, status: "missing", detail: found.error.message };
  const { location, skipped } = found;
  const passed = skipped.map(({ path, reason }) => `${path} ${reason}`).join("; ");
  if (!location) {
    const detail = `not found${passed ? ` (${passed})` : ""}`;
    return { name, status: "missing", detail, remedy: "run `npx clip-blip setup`, or set LIBTORCH", data: { skipped } };
  }
  const { version, build, source, root } = location;
  const from = { LIBTORCH: "named by LIBTORCH", cache: "in the cache", python: "from python3" }[source];
  const detail = `${version} (${build}) ${from}: ${root}${passed ? `; skipped: ${passed}` : ""}`;
  return { name, status: "ok", detail, data: { ...location, skipped } };
}

function checkDevices(
  report: LibTorchReport,
  found: LibTorchSearch | { error: Error },
  env: NodeJS.ProcessEnv,
): Check[] {
  const { devices, fastBfloat16 } = report;
  const used = devices.find(({ name }) => name !== "cpu")?.name ?? "cpu";
  const bfloat16: Check = {
    name: "bfloat16",
    status: "ok",
    detail: fastBfloat16
      ? "multiplied in hardware by this CPU"
      : "not multiplied in hardware by this CPU: float32 is used",
    data: { fast: fastBfloat16 },
  };
  const check: Check = {
    name: "Devices",
    status: "ok",
    detail: `${devices.map(describe).join(", ")}; "auto" is ${used}`,
    data: { devices, auto: used },
  };
  if (used !== "cpu" || !hasNvidiaDriver(env)) return [check, bfloat16];
  const cuda = "location" in found && found.location?.cuda;
  const remedy = cuda
    ? "LibTorch cannot use the NVIDIA driver: check that `nvidia-smi` works and that the driver is recent enough"
    : "this machine has an NVIDIA driver: `npx clip-blip setup --cuda` installs a LibTorch that can use it";
  return [{ ...check, status: "note", remedy }, bfloat16];
}

function describe({ name, description, total }: LibTorchReport["devices"][number]): string {
  return name === "cpu" ? name : `${name} (${description}${total ? `, ${formatBytes(total)}` : ""})`;
}
