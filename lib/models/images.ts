import { availableParallelism } from "node:os";
import { types } from "node:util";
import pLimit from "p-limit";
import { assertModelSize, isModelInput, type PreprocessPlan } from "../checkpoint/preprocessor-config.js";
import { ClipBlipError } from "../common/errors.js";
import { assertArray, assertBoolean, assertFunction, assertInteger, assertSignal } from "../common/validate.js";
import { type PreparationEvent, preparationChannel } from "../engine/events.js";
import type { CallOptions } from "../engine/pipeline.js";
import { assertImageInput } from "../input/assert.js";
import { decodeSource } from "../input/decode.js";
import { asBytes, isBytes, isPixels } from "../input/kinds.js";
import { DEFAULT_MAX_PIXELS } from "../input/limits.js";
import type { PixelPool } from "../input/pixel-pool.js";
import { openSource, withRemoteRead } from "../input/source.js";
import type { ImageInput, WantedColumns } from "../input/types.js";
import { fromNative } from "../native/errors.js";
import type { NativeBinding, PixelBatch } from "../native/types.js";

/** Options of every call that takes pictures. */
export interface ImageCallOptions extends CallOptions {
  /** Fetch `http(s):` URLs. Default false: a URL that a stranger chose can reach into your network. */
  allowRemote?: boolean;
  /** Pixels of a picture above which it is refused with ERR_IMAGE_TOO_LARGE. Default 50,000,000. */
  maxPixels?: number;
}

/** Pixels of a picture from which on memory that is not touched pays for finding out what is needed. */
const LARGE = 1_000_000;

/** Names of the options of every call that takes pictures. */
export const IMAGE_CALL_OPTIONS = ["signal", "onProgress", "allowRemote", "maxPixels"] as const;

/** @throws ClipBlipError ERR_INVALID_ARGUMENT */
export function assertImageCallOptions(options: ImageCallOptions): void {
  assertSignal(options.signal, "options.signal");
  assertFunction(options.onProgress, "options.onProgress");
  assertBoolean(options.allowRemote, "options.allowRemote");
  assertInteger(options.maxPixels, "options.maxPixels", 1);
}

/** @throws ClipBlipError ERR_INVALID_ARGUMENT with the index of the first item that is no picture */
export function assertImages(images: unknown, options: ImageCallOptions): asserts images is ImageInput[] {
  assertArray(images, "images");
  // An index loop, because forEach skips the holes of a sparse array.
  for (let index = 0; index < images.length; index++) {
    try {
      assertImageInput(images[index], `images[${index}]`, options);
    } catch (error) {
      throw blameItem(error, index);
    }
  }
}

function blameItem(error: unknown, index: number): unknown {
  return error instanceof ClipBlipError
    ? new ClipBlipError(error.code, error.message, { cause: error.cause, index })
    : error;
}

/**
 * The pixels of a raw picture that is the model's input as it is, at once: there is nothing to decode or to resize.
 * undefined for all other pictures, and for what is to be refused: `preparePixels` takes those.
 *
 * Shared memory cannot be taken away and is read where it is. Other memory is copied: its owner may transfer it, and it
 * would be freed under the addon.
 */
export function readyPixels(
  image: ImageInput,
  plan: PreprocessPlan,
  { maxPixels = DEFAULT_MAX_PIXELS }: Pick<ImageCallOptions, "maxPixels">,
  pool?: PixelPool,
): Uint8Array | undefined {
  const started = performance.now();
  const bytes = modelInput(image, plan, maxPixels);
  if (!bytes) return undefined;
  const pixels = types.isSharedArrayBuffer(bytes.buffer) ? bytes : copyOf(bytes, pool);
  if (preparationChannel.hasSubscribers) publishPreparation(started, false);
  return pixels;
}

const copyOf = (bytes: Uint8Array, pool?: PixelPool) => (pool ? pool.copy(bytes) : new Uint8Array(bytes));

function modelInput(image: ImageInput, plan: PreprocessPlan, maxPixels: number): Uint8Array | undefined {
  try {
    if (!isPixels(image)) return undefined;
    const { data, width, height, channels } = image;
    if (channels !== 3 || !isModelInput(plan, width, height) || width * height > maxPixels) return undefined;
    const bytes = isBytes(data) ? asBytes(data) : undefined;
    return bytes?.length === width * height * channels ? bytes : undefined;
  } catch {
    // A getter, or a proxy, of the caller: refused where everything is.
    return undefined;
  }
}

function publishPreparation(started: number, failed: boolean): void {
  const event: PreparationEvent = { seconds: (performance.now() - started) / 1000, failed };
  preparationChannel.publish(event);
}

/** Decodes a picture and brings it to the model's size: [height, width, 3] uint8. */
export async function preparePixels(
  binding: NativeBinding,
  image: ImageInput,
  plan: PreprocessPlan,
  options: Pick<ImageCallOptions, "allowRemote" | "maxPixels">,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const decodeOptions = { ...options, signal };
  // Those of a stream have not been looked at yet, and an object may have changed since it was.
  assertImageInput(image, "image", decodeOptions);
  // Fetched before it takes a place among those that decode: a slow server must not hold up the others.
  const source = await withRemoteRead(openSource(image, decodeOptions));
  return preparation(async () => {
    signal.throwIfAborted();
    const started = performance.now();
    let failed = true;
    try {
      const { data, width, height, columns } = await decodeSource(source, decodeOptions, wantedColumns(binding, plan));
      signal.throwIfAborted();
      if (isModelInput(plan, width, height)) {
        failed = false;
        return data;
      }
      const result = await binding.preprocess(data, width, height, plan.resize, columns).catch((error) => {
        throw fromNative(error);
      });
      assertModelSize(plan, result.width, result.height);
      failed = false;
      return result.pixels;
    } finally {
      if (preparationChannel.hasSubscribers && !signal.aborted) publishPreparation(started, failed);
    }
  });
}

/** What the crop of a large picture needs, where that is less than the picture: a quarter less for 4:3. */
function wantedColumns(binding: NativeBinding, plan: PreprocessPlan): WantedColumns {
  return (width, height) => {
    if (width * height < LARGE) return undefined;
    try {
      const needed = binding.neededColumns(width, height, plan.resize);
      return needed.length < width ? needed : undefined;
    } catch {
      // What cannot be resized is refused as such, once it is decoded.
      return undefined;
    }
  };
}

/** A batch for the addon. */
export function pixelBatch(pixels: Uint8Array[], plan: PreprocessPlan): PixelBatch {
  return { pixels, height: plan.height, width: plan.width, normalize: plan.normalize };
}

/** Threads of libuv's pool, as Node reads the variable; 4 is its default. */
const poolSize = Number.parseInt(process.env.UV_THREADPOOL_SIZE ?? "", 10) || 4;

/**
 * Decodes and resizes that may run at a time in this thread. One pool thread belongs to the device call and one stays
 * free, so that `fs` and `dns` are answered under full load.
 */
export const preparation = pLimit(Math.max(1, Math.min(availableParallelism(), poolSize - 2)));

/** Whether a picture is being decoded or resized, and so may be what the device waits for. */
export const isPreparing = () => preparation.activeCount > 0;
