import { availableParallelism } from "node:os";
import { types } from "node:util";
import pLimit from "p-limit";
import { assertModelSize, isModelInput, type PreprocessPlan } from "../checkpoint/preprocessor-config.js";
import { type PreparationEvent, preparationChannel } from "../engine/events.js";
import { decodeSource } from "../input/decode.js";
import { asBytes, channelsOf, isBytes, isPixels } from "../input/kinds.js";
import { DEFAULT_MAX_PIXELS } from "../input/limits.js";
import { PixelPool } from "../input/pixel-pool.js";
import { openSource, withRemoteRead } from "../input/source.js";
import type { ImageInput } from "../input/types.js";
import { fromNative } from "../native/errors.js";
import type { Columns, NativeBinding, PixelBatch } from "../native/types.js";
import type { ImageCallOptions } from "./images.js";

/** The options that affect how a picture is read. */
export type ReadOptions = Pick<ImageCallOptions, "allowRemote" | "maxPixels">;

/** Threads in libuv's pool, read from the variable as Node does; Node's default is 4. */
const poolSize = Number.parseInt(process.env.UV_THREADPOOL_SIZE ?? "", 10) || 4;

/**
 * Limits how many pictures this thread decodes or resizes at once. One pool thread is left for the device call and one
 * for `fs` and `dns`, so that these respond under full load.
 */
const preparation = pLimit(Math.max(1, Math.min(availableParallelism(), poolSize - 2)));

/** Whether a picture is being decoded or resized; the device may be waiting for it. */
export const isPreparing = () => preparation.activeCount > 0;

/**
 * Of pictures with at least this many pixels, only the columns that the crop needs are decoded into memory; for smaller
 * ones, finding those columns costs more than it saves.
 */
const LARGE = 1_000_000;

/** Turns pictures into the input of one model: uint8 of shape [height, width, 3] each. */
export class ImageReader {
  readonly #native: NativeBinding;
  readonly #plan: PreprocessPlan;
  readonly #copies = new PixelPool();
  readonly #blank: Uint8Array;

  constructor(native: NativeBinding, plan: PreprocessPlan) {
    this.#native = native;
    this.#plan = plan;
    this.#blank = new Uint8Array(plan.height * plan.width * 3);
  }

  /**
   * The pixels of a picture: synchronously if it already is valid model input, otherwise after decoding and resizing.
   * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_IMAGE_NOT_FOUND, ERR_IMAGE_DECODE, ERR_IMAGE_TOO_LARGE; `signal.reason`
   */
  read(image: ImageInput, options: ReadOptions, signal: AbortSignal): Uint8Array | Promise<Uint8Array> {
    return this.#readRaw(image, options) ?? this.#decode(image, options, signal);
  }

  /** A batch for the addon from pictures that were read. */
  batch(pixels: Uint8Array[]): PixelBatch {
    const { height, width, normalize } = this.#plan;
    return { pixels, height, width, normalize };
  }

  /**
   * A black picture for measurements. Each call returns a new view, so that a batch counts them as different pictures.
   */
  blank(): Uint8Array {
    return this.#blank.subarray();
  }

  /** Takes back the memory of pictures that are no longer read. */
  release(pixels: readonly Uint8Array[]): void {
    this.#copies.giveBack(pixels);
  }

  /**
   * The pixels of a raw picture that already has the model's size. Undefined for all other pictures, including invalid
   * ones, which `#decode` handles and rejects.
   *
   * Shared memory is read in place, because it cannot be transferred. Other memory is copied: its owner may transfer it
   * while the addon reads it.
   */
  #readRaw(image: ImageInput, { maxPixels = DEFAULT_MAX_PIXELS }: ReadOptions): Uint8Array | undefined {
    const started = performance.now();
    const bytes = bytesOfModelInput(image, this.#plan, maxPixels);
    if (!bytes) return undefined;
    const pixels = types.isSharedArrayBuffer(bytes.buffer) ? bytes : this.#copies.copy(bytes);
    if (preparationChannel.hasSubscribers) publishPreparation(started, false);
    return pixels;
  }

  async #decode(image: ImageInput, options: ReadOptions, signal: AbortSignal): Promise<Uint8Array> {
    const decodeOptions = { ...options, signal };
    // Fetch before taking a decoding slot: a slow server must not hold up other pictures.
    const source = await withRemoteRead(openSource(image, decodeOptions));
    return preparation(async () => {
      signal.throwIfAborted();
      const started = performance.now();
      let failed = true;
      try {
        const wanted = (width: number, height: number) => this.#neededColumns(width, height);
        const { data, width, height, columns } = await decodeSource(source, decodeOptions, wanted);
        signal.throwIfAborted();
        const pixels = isModelInput(this.#plan, width, height)
          ? data
          : await this.#resize(data, width, height, columns);
        failed = false;
        return pixels;
      } finally {
        if (preparationChannel.hasSubscribers && !signal.aborted) publishPreparation(started, failed);
      }
    });
  }

  async #resize(rgb: Uint8Array, width: number, height: number, columns?: Columns): Promise<Uint8Array> {
    const result = await this.#native.preprocess(rgb, width, height, this.#plan.resize, columns).catch((error) => {
      throw fromNative(error);
    });
    assertModelSize(this.#plan, result.width, result.height);
    return result.pixels;
  }

  /** The columns that the crop of a large picture needs, if not all of them: for a 4:3 picture, a quarter less. */
  #neededColumns(width: number, height: number): Columns | undefined {
    if (width * height < LARGE) return undefined;
    try {
      const needed = this.#native.neededColumns(width, height, this.#plan.resize);
      return needed.length < width ? needed : undefined;
    } catch {
      // Pictures that cannot be resized are rejected after decoding, with the right error.
      return undefined;
    }
  }
}

function bytesOfModelInput(image: ImageInput, plan: PreprocessPlan, maxPixels: number): Uint8Array | undefined {
  try {
    if (!isPixels(image)) return undefined;
    const { data, width, height } = image;
    if (channelsOf(image) !== 3 || !isModelInput(plan, width, height) || width * height > maxPixels) return undefined;
    const bytes = isBytes(data) ? asBytes(data) : undefined;
    return bytes?.length === width * height * 3 ? bytes : undefined;
  } catch {
    // A getter or proxy threw; `#decode` rejects the picture with the right error.
    return undefined;
  }
}

function publishPreparation(started: number, failed: boolean): void {
  const event: PreparationEvent = { seconds: (performance.now() - started) / 1000, failed };
  preparationChannel.publish(event);
}
