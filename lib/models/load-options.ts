import {
  assertFunction,
  assertInteger,
  assertNumber,
  assertOneOf,
  assertOptions,
  assertSignal,
  invalidArgument,
} from "../common/validate.js";
import type { CacheRelease, ModelDtype } from "../native/types.js";

/** How far loading has come. */
export interface LoadProgress {
  /** "download": a file comes from the hub; "load": the weights go onto the device; "probe": memory is measured. */
  phase: "download" | "load" | "probe";
  /** The file that is downloaded. */
  file?: string;
  /** Bytes. */
  loaded?: number;
  /** Bytes. */
  total?: number;
}

/** Options of `ClipModel.load` and `BlipModel.load`. */
export interface LoadOptions {
  /** "cpu", "cuda", "cuda:1", … "auto": the first CUDA device, else the CPU. Default "auto". */
  device?: "auto" | "cpu" | "cuda" | `cuda:${number}`;
  /** "auto": float16 on CUDA, bfloat16 where the CPU multiplies it in hardware, else float32. Default "auto". */
  dtype?: "auto" | ModelDtype;
  /**
   * Maximum number of items in a batch; a picture counts once for each of its beams or samples. "auto": what the probe
   * finds to fit into memory. Default "auto".
   */
  maxBatchSize?: "auto" | number;
  /** Share of the free memory that the activations of a call may take, above 0 and at most 1. Default 0.8. */
  memoryFraction?: number;
  /**
   * Maximum bytes of activations that a call of this model may hold. Default: no limit but `memoryFraction`. The allocator
   * enforces it: a call that would exceed it runs in smaller parts, and a single item that would exceed it rejects with
   * ERR_OUT_OF_MEMORY. On CUDA the allocator's blocks are counted, which are a little larger than the tensors.
   * @example
   * ```ts
   * await ClipModel.load("demo", { memoryLimit: 2 * 1024 ** 3 }); // 2 GiB beside the weights
   * ```
   */
  memoryLimit?: number;
  /**
   * When the device's allocator returns the memory that it keeps for reuse. Unloading the weights returns it in any case.
   * - "after-call" (default): after each call. The call's answer goes out first; the next call waits for it.
   * - "when-idle": when the device has been idle for 2 milliseconds.
   * - "on-out-of-memory": only when memory runs out.
   *
   * On the CPU up to 256 MB of freed memory are kept, until no call has run for a second.
   *
   * On an H100, with calls of 256 pictures to ViT-B/32 in flight, a batch took 7.9 ms with "after-call" and 7.4 with
   * "on-out-of-memory". Small batches run as graphs, which keep their memory, and differ by less than 2 % (bench/LIMITS.md).
   */
  releaseCache?: CacheRelease;
  /** Number of waiting items above which further calls reject with ERR_QUEUE_FULL. Default 1024. */
  maxQueue?: number;
  /** Unload the weights after this many milliseconds without a call; the next call loads them again. Default: never. */
  idleUnload?: number;
  /** Expected SHA-256 of the archive or the file of weights, in hexadecimal. Any other rejects with ERR_MODEL_HASH before it is loaded. */
  sha256?: string;
  /** Aborts the load, which rejects with `signal.reason`. */
  signal?: AbortSignal;
  onProgress?: (progress: LoadProgress) => void;
}

/** Options of `ClipModel.load`. */
export interface ClipLoadOptions extends LoadOptions {
  /**
   * Side of the square that pictures are resized to, in pixels. A larger one than the checkpoint's shows more detail and
   * takes more time. The positions of the patches are interpolated, like `interpolate_pos_encoding` in transformers.
   * Default: the checkpoint's own size.
   */
  imageSize?: number;
}

const KEYS = [
  "device",
  "dtype",
  "maxBatchSize",
  "memoryFraction",
  "memoryLimit",
  "releaseCache",
  "maxQueue",
  "idleUnload",
  "sha256",
  "signal",
  "onProgress",
] as const satisfies (keyof LoadOptions)[];

/** Longest delay of a Node timer, in milliseconds. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** Larger than any model is run with: the attention over that many patches fits into no memory. */
const MAX_IMAGE_SIZE = 8192;

/** @throws ClipBlipError ERR_INVALID_ARGUMENT */
export function assertLoadOptions(options: LoadOptions, family: "clip" | "blip"): void {
  assertOptions(options, "options", family === "clip" ? [...KEYS, "imageSize"] : KEYS);
  assertImageSize((options as ClipLoadOptions).imageSize);
  const { device, maxBatchSize, sha256 } = options;
  if (device !== undefined && !(typeof device === "string" && /^(auto|cpu|cuda(:\d{1,3})?)$/.test(device))) {
    throw invalidArgument("options.device", '"auto", "cpu", "cuda" or "cuda:<index>"', device);
  }
  assertOneOf(options.dtype, "options.dtype", ["auto", "float32", "bfloat16", "float16"]);
  if (maxBatchSize !== "auto") assertInteger(maxBatchSize, "options.maxBatchSize", 1);
  assertNumber(options.memoryFraction, "options.memoryFraction", 0, 1);
  assertInteger(options.memoryLimit, "options.memoryLimit", 1);
  assertOneOf(options.releaseCache, "options.releaseCache", ["after-call", "when-idle", "on-out-of-memory"]);
  assertInteger(options.maxQueue, "options.maxQueue", 1);
  assertNumber(options.idleUnload, "options.idleUnload", 0, MAX_TIMEOUT);
  if (sha256 !== undefined && !(typeof sha256 === "string" && /^[0-9a-f]{64}$/i.test(sha256))) {
    throw invalidArgument("options.sha256", "64 hexadecimal digits", sha256);
  }
  assertSignal(options.signal, "options.signal");
  assertFunction(options.onProgress, "options.onProgress");
}

/** @throws ClipBlipError ERR_INVALID_ARGUMENT */
export function assertImageSize(imageSize: number | undefined): void {
  if (imageSize === undefined) return;
  if (!Number.isInteger(imageSize) || imageSize < 1 || imageSize > MAX_IMAGE_SIZE) {
    throw invalidArgument("options.imageSize", `a whole number from 1 to ${MAX_IMAGE_SIZE}`, imageSize);
  }
}
