import { availableParallelism } from "node:os";
import { types } from "node:util";
import pLimit from "p-limit";
import { assertModelSize, isModelInput, type PreprocessPlan } from "../checkpoint/preprocessor-config.js";
import { type PreparationEvent, preparationChannel } from "../engine/events.js";
import { decodeSource } from "../input/decode.js";
import { asBytes, isBytes, isPixels } from "../input/kinds.js";
import { DEFAULT_MAX_PIXELS } from "../input/limits.js";
import { PixelPool } from "../input/pixel-pool.js";
import { openSource, withRemoteRead } from "../input/source.js";
import type { ImageInput } from "../input/types.js";
import { fromNative } from "../native/errors.js";
import type { Columns, NativeBinding, PixelBatch } from "../native/types.js";
import type { ImageCallOptions } from "./images.js";

/** What reading one picture depends on beside the picture. */
export type ReadOptions = Pick<ImageCallOptions, "allowRemote" | "maxPixels">;

/** Threads of libuv's pool, as Node reads the variable; 4 is its default. */
const poolSize = Number.parseInt(process.env.UV_THREADPOOL_SIZE ?? "", 10) || 4;

/**
 * Decodes and resizes that may run at a time in this thread. One pool thread belongs to the device call and one stays
 * free, so that `fs` and `dns` are answered under full load.
 */
const preparation = pLimit(Math.max(1, Math.min(availableParallelism(), poolSize - 2)));

/** Whether a picture is being decoded or resized, and so may be what the device waits for. */
export const isPreparing = () => preparation.activeCount > 0;

/** Pixels of a picture from which on memory that is not touched pays for finding out what is needed. */
const LARGE = 1_000_000;

/** Brings pictures to the input of one model: [height, width, 3] uint8 each. */
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
   * The pixels of a picture: at once where it is the model's input as it is, else once it is decoded and resized.
   * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_IMAGE_DECODE, ERR_IMAGE_TOO_LARGE; `signal.reason`
   */
  read(image: ImageInput, options: ReadOptions, signal: AbortSignal): Uint8Array | Promise<Uint8Array> {
    return this.#readRaw(image, options) ?? this.#decode(image, options, signal);
  }

  /** Pictures that were read, as a batch for the addon. */
  batch(pixels: Uint8Array[]): PixelBatch {
    const { height, width, normalize } = this.#plan;
    return { pixels, height, width, normalize };
  }

  /** A black picture, to measure with: another one each time, as far as a batch can see. */
  blank(): Uint8Array {
    return this.#blank.subarray();
  }

  /** Takes the memory of pictures back that nobody reads any more. */
  release(pixels: readonly Uint8Array[]): void {
    this.#copies.giveBack(pixels);
  }

  /**
   * The pixels of a raw picture of the model's size: there is nothing to decode or to resize. undefined for all other
   * pictures, and for what is to be refused: `#decode` takes those.
   *
   * Shared memory cannot be taken away and is read where it is. Other memory is copied: its owner may transfer it, and it
   * would be freed under the addon.
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
    // Fetched before it takes a place among those that decode: a slow server must not hold up the others.
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

  /** What the crop of a large picture needs, where that is less than the picture: a quarter less for 4:3. */
  #neededColumns(width: number, height: number): Columns | undefined {
    if (width * height < LARGE) return undefined;
    try {
      const needed = this.#native.neededColumns(width, height, this.#plan.resize);
      return needed.length < width ? needed : undefined;
    } catch {
      // What cannot be resized is refused as such, once it is decoded.
      return undefined;
    }
  }
}

function bytesOfModelInput(image: ImageInput, plan: PreprocessPlan, maxPixels: number): Uint8Array | undefined {
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
