import { ClipBlipError } from "../common/errors.js";
import { availableMemory, totalMemory } from "../common/system-memory.js";
import { fromNative } from "../native/errors.js";
import { native } from "../native/instance.js";
import type { DeviceMemory, ModelDtype, NativeBinding } from "../native/types.js";
import type { LoadOptions } from "./load-options.js";

/** Memory of a device, in bytes. */
export interface MemoryInfo {
  /** Bytes available to new tensors. */
  free: number;
  /** Total bytes of the device; for "cpu", what this process may use. */
  total: number;
  /** Bytes held by this process's tensors now. */
  allocated: number;
  /** The most bytes that this process's tensors have held at once. */
  peak: number;
}

/** A device that models can be loaded onto. */
export interface Device {
  /** "cpu", "cuda:0", … */
  name: string;
  description: string;
  memory: MemoryInfo;
}

/**
 * The devices that LibTorch can use: the CPU first, then each CUDA device.
 * @throws ClipBlipError ERR_LIBTORCH_NOT_FOUND or ERR_LIBTORCH_VERSION
 * @example
 * ```ts
 * for (const { name, memory } of devices()) console.log(name, memory.free, "of", memory.total);
 * ```
 */
export function devices(): Device[] {
  const binding = native();
  return binding.devices().map(({ name, description }) => ({ name, description, memory: deviceMemory(binding, name) }));
}

/**
 * Memory of one device.
 * @throws ClipBlipError ERR_DEVICE_LOST
 */
export function deviceMemory(binding: NativeBinding, device: string): MemoryInfo {
  const { allocated, reserved, peak, heldByGraphs, free, total } = readMemory(binding, device);
  return {
    // To the driver, cached blocks are in use; to us they are free.
    free: free === undefined ? availableMemory() : free + (reserved - allocated - heldByGraphs),
    total: total ?? totalMemory(),
    allocated,
    peak,
  };
}

function readMemory(binding: NativeBinding, device: string): DeviceMemory {
  try {
    return binding.memory(device);
  } catch (error) {
    throw fromNative(error);
  }
}

/** The name of the device that the options ask for. */
export function resolveDevice(binding: NativeBinding, wanted: LoadOptions["device"] = "auto"): string {
  const names = binding.devices().map((device) => device.name);
  if (wanted === "auto") return names.find((name) => name !== "cpu") ?? "cpu";
  const name = wanted === "cuda" ? "cuda:0" : wanted;
  if (names.includes(name)) return name;
  throw new ClipBlipError(
    "ERR_DEVICE_NOT_FOUND",
    `There is no device ${name}; LibTorch can use ${names.join(", ")}. Run "npx clip-blip doctor" to see why`,
  );
}

/** The dtype that the options ask for on this device. */
export function resolveDtype(
  binding: NativeBinding,
  device: string,
  wanted: LoadOptions["dtype"] = "auto",
): ModelDtype {
  if (wanted !== "auto") return wanted;
  if (device !== "cpu") return "float16";
  return binding.cpuHasFastBfloat16() ? "bfloat16" : "float32";
}
