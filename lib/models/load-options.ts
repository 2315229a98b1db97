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

/** Progress of a load. */
export interface LoadProgress {
  /**
   * "download": a file is downloaded from the hub; "load": the weights are put onto the device; "probe": memory use is
   * measured.
   */
  phase: "download" | "load" | "probe";
  /** The file being downloaded. */
  file?: string;
  /** Bytes. */
  loaded?: number;
  /** Bytes. */
  total?: number;
}

/**
 * Options of `ClipModel.load` and `BlipModel.load`.
 * @example
 * ```ts
 * const clip = await ClipModel.load("openai/clip-vit-base-patch32", {
 *   device: "cuda:1",
 *   dtype: "float16",
 *   idleUnload: 60_000,
 * });
 * ```
 */
export interface LoadOptions {
  /** "auto": the first CUDA device, otherwise the CPU. "cuda" is "cuda:0". Default "auto". */
  device?: "auto" | "cpu" | "cuda" | `cuda:${number}` | undefined;
  /** "auto": float16 on CUDA; on the CPU bfloat16 if it has instructions for it, otherwise float32. Default "auto". */
  dtype?: "auto" | ModelDtype | undefined;
  /**
   * Maximum batch size of a forward pass, where a picture counts once for each of its beams or samples; "auto": what
   * the probe finds. Default "auto".
   */
  maxBatchSize?: "auto" | number | undefined;
  /**
   * Fraction of the memory free at the probe that the activations of a call may use, above 0 and at most 1. Default
   * 0.8.
   */
  memoryFraction?: number | undefined;
  /**
   * Maximum bytes of activations of a call to this model. The allocator enforces it, on the CPU and on CUDA: a call
   * that would exceed it runs in smaller batches, and a single item that would exceed it rejects with
   * ERR_OUT_OF_MEMORY. On CUDA the allocator's blocks count, which are slightly larger than the tensors. Default: only
   * `memoryFraction` limits.
   * @example
   * ```ts
   * const clip = await ClipModel.load("demo", { memoryLimit: 2 * 1024 ** 3 }); // 2 GiB besides the weights
   * ```
   */
  memoryLimit?: number | undefined;
  /**
   * When the device's allocator gives back the blocks that it caches for reuse. Unloading the weights always gives them
   * back.
   * - "after-call" (default): after each call. The result is returned first; the next call waits until the blocks are
   *   freed.
   * - "when-idle": when the device has been idle for 2 milliseconds.
   * - "on-out-of-memory": only when memory runs out.
   *
   * The CPU caches up to 256 MB of freed memory, and gives it back after one second without a call at the latest.
   *
   * On an H100, with calls of 256 pictures to ViT-B/32 in flight, a batch took 7.9 ms with "after-call" and 7.4 ms with
   * "on-out-of-memory". Small batches run as CUDA graphs, which keep their memory, and differ by less than 2 %
   * (bench/LIMITS.md).
   */
  releaseCache?: CacheRelease | undefined;
  /** Once this many items are waiting, the next call rejects with ERR_QUEUE_FULL. Default 1024. */
  maxQueue?: number | undefined;
  /**
   * Milliseconds without a call after which the weights are unloaded; the next call loads them again. Default: never.
   */
  idleUnload?: number | undefined;
  /**
   * Expected SHA-256 of the archive or weights file, in hexadecimal. If it differs, the load rejects with
   * ERR_MODEL_HASH before any of the file is loaded.
   */
  sha256?: string | undefined;
  /**
   * A branch, tag or commit of a model on the hub. Default "main".
   * @example
   * ```ts
   * const clip = await ClipModel.load("org/model", { revision: "v1.0", subfolder: "clip" });
   * ```
   */
  revision?: string | undefined;
  /** The folder that contains the model, in a hub repository or in a directory. Default: its root. */
  subfolder?: string | undefined;
  /** Cancels the load, which rejects with `signal.reason`. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/** Options of `ClipModel.load`. */
export interface ClipLoadOptions extends LoadOptions {
  /**
   * Side of the model's square input, in pixels. A larger one than the checkpoint's shows more detail and takes more
   * time. The position embeddings are interpolated, as with `interpolate_pos_encoding` in transformers. Default: the
   * checkpoint's own.
   */
  imageSize?: number | undefined;
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
  "revision",
  "subfolder",
  "signal",
  "onProgress",
] as const satisfies (keyof LoadOptions)[];

/** Longest delay of a Node timer, in milliseconds. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** Far above the input of any real model; attention over this many patches would not fit into any memory. */
const MAX_IMAGE_SIZE = 8192;

/**
 * @param path of the options, for messages
 * @throws ClipBlipError ERR_INVALID_ARGUMENT
 */
export function assertLoadOptions(options: LoadOptions, family: "clip" | "blip", path = "options"): void {
  assertOptions(options, path, family === "clip" ? [...KEYS, "imageSize"] : KEYS);
  assertImageSize((options as ClipLoadOptions).imageSize, path);
  const { device, maxBatchSize, sha256 } = options;
  if (device !== undefined && !(typeof device === "string" && /^(auto|cpu|cuda(:\d{1,3})?)$/.test(device))) {
    throw invalidArgument(`${path}.device`, '"auto", "cpu", "cuda" or "cuda:<index>"', device);
  }
  assertOneOf(options.dtype, `${path}.dtype`, ["auto", "float32", "bfloat16", "float16"]);
  if (maxBatchSize !== "auto") assertInteger(maxBatchSize, `${path}.maxBatchSize`, 1);
  assertNumber(options.memoryFraction, `${path}.memoryFraction`, 0, 1);
  assertInteger(options.memoryLimit, `${path}.memoryLimit`, 1);
  assertOneOf(options.releaseCache, `${path}.releaseCache`, ["after-call", "when-idle", "on-out-of-memory"]);
  assertInteger(options.maxQueue, `${path}.maxQueue`, 1);
  assertNumber(options.idleUnload, `${path}.idleUnload`, 0, MAX_TIMEOUT);
  if (sha256 !== undefined && !(typeof sha256 === "string" && /^[0-9a-f]{64}$/i.test(sha256))) {
    throw invalidArgument(`${path}.sha256`, "64 hexadecimal digits", sha256);
  }
  assertNames(options, path);
  assertSignal(options.signal, `${path}.signal`);
  assertFunction(options.onProgress, `${path}.onProgress`);
}

/**
 * Checks that the options are texts; which ones are valid depends on the source.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT
 */
export function assertNames(options: Pick<LoadOptions, "revision" | "subfolder">, path = "options"): void {
  for (const name of ["revision", "subfolder"] as const) {
    const value = options[name];
    if (value !== undefined && typeof value !== "string") throw invalidArgument(`${path}.${name}`, "a string", value);
  }
}

/** @throws ClipBlipError ERR_INVALID_ARGUMENT */
export function assertImageSize(imageSize: number | undefined, path = "options"): void {
  if (imageSize === undefined) return;
  if (!Number.isInteger(imageSize) || imageSize < 1 || imageSize > MAX_IMAGE_SIZE) {
    throw invalidArgument(`${path}.imageSize`, `a whole number from 1 to ${MAX_IMAGE_SIZE}`, imageSize);
  }
}
