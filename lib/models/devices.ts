import { ClipBlipError } from "../common/errors.js";
import { availableMemory, totalMemory } from "../common/system-memory.js";
import { fromNative } from "../native/errors.js";
import { native } from "../native/instance.js";
import type { DeviceMemory, ModelDtype, NativeBinding } from "../native/types.js";
import type { LoadOptions } from "./load-options.js";

/** Bytes of memory on a device. */
export interface MemoryInfo {
  /** Bytes that can still be taken. */
  free: number;
  /** Bytes of the device; on the CPU those that this process may use. */
  total: number;
  /** Bytes that tensors of this process hold now. */
  allocated: number;
  /** The most bytes that tensors of this process have held at once. */
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
 * @example
 * ```ts
 * for (const { name, description } of devices()) console.log(name, description);
 * ```
 * @throws ClipBlipError ERR_LIBTORCH_NOT_FOUND or ERR_LIBTORCH_VERSION
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
    // Cached blocks count as used for the driver, and are free for us.
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

/**
 * The device of the options, by its name.
 * @throws ClipBlipError ERR_DEVICE_NOT_FOUND
 */
export function resolveDevice(binding: NativeBinding, wanted: LoadOptions["device"] = "auto"): string {
  const names = binding.devices().map((device) => device.name);
  if (wanted === "auto") return names.find((name) => name !== "cpu") ?? "cpu";
  const name = wanted === "cuda" ? "cuda:0" : wanted;
  if (names.includes(name)) return name;
  throw new ClipBlipError(
    "ERR_DEVICE_NOT_FOUND",
    `There is no device ${name}; LibTorch can use ${names.join(", ")}. run "npx clip-blip doctor" to see why`,
  );
}

/** The dtype of the options for a device. */
export function resolveDtype(
  binding: NativeBinding,
  device: string,
  wanted: LoadOptions["dtype"] = "auto",
): ModelDtype {
  if (wanted !== "auto") return wanted;
  if (device !== "cpu") return "float16";
  return binding.cpuHasFastBfloat16() ? "bfloat16" : "float32";
}
