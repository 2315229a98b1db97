import { fileURLToPath } from "node:url";
import type { CacheRelease } from "../../lib/native/types.js";

// The addon with the switch for faults, in the place of the shipped one; set before the library is imported.
process.env.CLIP_BLIP_PREBUILD ??= fileURLToPath(new URL("../../build/faults", import.meta.url));

/** The errors that can be thrown, as LibTorch and CUDA throw them; "cuda-" is followed by a number of cudaError_t. */
export const OUT_OF_MEMORY = [
  "out-of-memory",
  "out-of-memory-as-text",
  "cublas-allocation",
  "cublas-handle",
  "cudnn-allocation",
  "cudnn-backend",
  "cuda-2",
  "cpu-allocator",
  "bad-alloc",
] as const;
export const FATAL = ["illegal-address", "device-assert", "driver-fault"] as const;
export const OTHER = [
  "runtime-error",
  "quoted-fault",
  "quoted-out-of-memory",
  "cuda-900",
  "capture-as-text",
  "empty-message",
  "no-exception-type",
] as const;

/** What the addon for tests has beside the other one's functions. It is one for all threads of the process. */
export interface Faults {
  /** The n-th run on a device from now on throws, once; 0 disarms. Sets all counts to 0. */
  armFault(kind: string, nth: number): void;
  /** Runs of a module's methods. */
  deviceRuns(): number;
  faultsFired(): number;
  /** Threads that have run a module's methods. */
  deviceThreads(): number;
  /** The most calls that used a device at a time. */
  mostDeviceCalls(): number;
  /** Makes a device that was lost usable again. */
  forgetLostDevice(device: string): void;
  /** Puts "testing:0" there, a device with a caching allocator of that many bytes. Once, for good. */
  installCachingDevice(capacity: number): void;
  /** That device gives no answer any more, or does again. */
  breakCachingDevice(broken: boolean): void;
  /** A call that takes some blocks, holds them, and ends with a kind of fault ("": with none). Returns its peak. */
  callOnCachingDevice(blocks: number[], releaseCache: CacheRelease, fault: string): number;
  /** How often that device's allocator was told to give its cache back. */
  cachesEmptied(): number;
  /** Records graphs on the CPU, by running the same work again; counts from now on. */
  recordOnCpu(on: boolean): void;
  graphCounts(): { recorded: number; replayed: number };
}

/** The library and its switch, in this process. */
export async function withFaults() {
  const library = await import("clip-blip");
  const { native } = await import("../../dist/native/instance.js");
  return { ...library, binding: native(), faults: native() as unknown as Faults };
}
