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
  /** "auto": the first CUDA device, else the CPU. Default "auto". */
  device?: "auto" | "cpu" | "cuda" | `cuda:${number}`;
  /** "auto": float16 on CUDA, bfloat16 where the CPU multiplies it in hardware, else float32. Default "auto". */
  dtype?: "auto" | ModelDtype;
  /**
   * Items of one forward at most, where a picture counts once for each of its beams or samples; "auto": what the probe
   * finds. Default "auto".
   */
  maxBatchSize?: "auto" | number;
  /** Part of the memory free at the probe that the activations of a call may take, above 0 and at most 1. Default 0.8. */
  memoryFraction?: number;
  /**
   * Bytes of activations that a call of this model may hold. Default: no limit but memoryFraction. The allocator enforces
   * it, on the CPU and on CUDA: a call that would exceed it runs in smaller parts, and one item that alone would exceed it
   * rejects with ERR_OUT_OF_MEMORY. On CUDA the blocks count that the allocator takes for them, which are a little larger.
   */
  memoryLimit?: number;
  /**
   * When the blocks that the device's allocator keeps for reuse are given back; with the weights they go in any case.
   * - "after-call" (default): behind each call. Its answer goes out first; the next call waits until they are back.
   * - "when-idle": when the device has had nothing to do for 2 milliseconds.
   * - "on-out-of-memory": only when memory runs out.
   *
   * The CPU keeps up to 256 MB of what calls have freed, and gives it back at the latest when none has run for a second.
   *
   * On an H100, with calls of 256 pictures to ViT-B/32 in flight, a batch took 7.9 ms with "after-call" and 7.4 with
   * "on-out-of-memory". Small batches run as graphs, which keep their memory, and differ by less than 2 % (bench/LIMITS.md).
   */
  releaseCache?: CacheRelease;
  /** Items waiting from which on the next call rejects with ERR_QUEUE_FULL. Default 1024. */
  maxQueue?: number;
  /** Milliseconds without a call after which the weights leave the device; the next call brings them back. Default: never. */
  idleUnload?: number;
  /** Expected SHA-256 of the archive, or of the file of weights, in hexadecimal; another one rejects with ERR_MODEL_HASH before anything is loaded. */
  sha256?: string;
  /** Stops the load; it rejects with `signal.reason`. */
  signal?: AbortSignal;
  onProgress?: (progress: LoadProgress) => void;
}

/** Options of `ClipModel.load`. */
export interface ClipLoadOptions extends LoadOptions {
  /**
   * Side of the square that pictures are brought to, in pixels, where it shall be another one than the checkpoint's:
   * more detail for more time. The positions of the patches are interpolated, as `interpolate_pos_encoding` of
   * transformers does. Default: the checkpoint's own.
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

/** Larger pictures than any model is run with; the attention to this many patches would not fit anywhere. */
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
