import { ClipBlipError } from "../errors.js";
import type { ModuleHandle, RunOptions, RunStats } from "../native/types.js";
import type { Admission } from "./admission.js";
import { BatchLimit } from "./batch-limit.js";
import { Batcher } from "./batcher.js";
import type { DeviceQueue } from "./device-queue.js";
import { type BatchEvent, batchChannel } from "./events.js";
import type { ModelHost } from "./host.js";
import { Pipeline } from "./pipeline.js";
import { type MemoryModel, probeMemory } from "./probe.js";
import { type Outcome, runSplitting } from "./split.js";

/** One batch's results, and what they cost. */
export interface BatchResult<R> extends RunStats {
  values: R[];
}

/** One thing that a model does with a batch: encode pictures, encode texts, write captions. */
export interface OperationOptions<Input, Item, R> {
  /** As `BatchEvent` names it. */
  name: string;
  /** "cpu", "cuda:0", … */
  device: string;
  host: ModelHost;
  queue: DeviceQueue;
  admission: Admission;
  /** Input of a user to item of a batch. */
  prepare: (input: Input, signal: AbortSignal) => Promise<Item> | Item;
  /** Items with different keys do not share a batch. */
  key: (item: Item) => string;
  /** One forward over all items. */
  forward: (module: ModuleHandle, items: Item[], options: RunOptions) => Promise<BatchResult<R>>;
  /** An item of the usual size, for the probe and the warm-up. */
  sample: () => Item;
  /** Items of a batch from which on larger ones are no faster. */
  largestUseful: number;
  /** The user's cap, if there is one. */
  maxBatchSize?: number;
}

/** Milliseconds that a probe may take, about. */
const PROBE_TIME = 1500;

/** An operation with its batches, its learned batch size and its queue places. */
export class Operation<Input, Item, R> {
  readonly pipeline: Pipeline<Input, Item, R>;
  readonly #options: OperationOptions<Input, Item, R>;
  readonly #batcher: Batcher<Item, R>;
  readonly #limit: BatchLimit;

  constructor(options: OperationOptions<Input, Item, R>) {
    this.#options = options;
    this.#limit = new BatchLimit(options.maxBatchSize ?? options.largestUseful);
    const { queue } = options;
    this.#batcher = new Batcher<Item, R>({
      queue,
      key: options.key,
      limit: () => this.#batchSize(),
      run: (items, waits) => this.#runBatch(items, waits),
    });
    this.pipeline = new Pipeline({
      prepare: options.prepare,
      batcher: this.#batcher,
      admission: options.admission,
      // One batch on the device, the next one being prepared.
      window: () => 2 * this.#batchSize(),
    });
  }

  /** Measures how many items fit into `budget` bytes of activations. Takes turns on the device. */
  async probe(budget: number): Promise<MemoryModel> {
    const { queue, host, forward, sample, largestUseful, maxBatchSize } = this.#options;
    const memory = await queue.run(() =>
      probeMemory({
        run: async (size) => {
          const items = Array.from({ length: size }, sample);
          return (await host.call((module, run) => forward(module, items, run))).peakBytes;
        },
        isOutOfMemory,
        budget,
        largestUseful: Math.min(largestUseful, maxBatchSize ?? largestUseful),
        timeBudget: PROBE_TIME,
      }),
    );
    return this.adopt(memory);
  }

  /** Takes over what an earlier probe of the same model found. */
  adopt(memory: MemoryModel): MemoryModel {
    const safeBatchSize = Math.min(memory.safeBatchSize, this.#options.maxBatchSize ?? memory.safeBatchSize);
    this.#limit.reset(safeBatchSize);
    return { ...memory, safeBatchSize };
  }

  /** Runs a batch of 1 and one of the full size, so that the first call of a user meets no lazy initialisation. */
  async warmup(): Promise<void> {
    for (const size of new Set([1, this.#batchSize()])) {
      const items = Array.from({ length: size }, this.#options.sample);
      await this.#options.queue.run(() => this.#forward(items));
    }
  }

  /** Rejects everything that waits. */
  cancelAll(reason: unknown): void {
    this.#batcher.cancelAll(reason);
  }

  #batchSize(): number {
    return Math.min(this.#limit.current, this.#options.largestUseful);
  }

  async #runBatch(items: Item[], waits: number[]): Promise<Outcome<R>[]> {
    const { name: operation, device, host } = this.#options;
    const started = performance.now();
    let splits = 0;
    const outcomes = await runSplitting(items, {
      forward: (part) => this.#forward(part),
      isOutOfMemory,
      onOutOfMemory: (size) => {
        splits += 1;
        host.releaseCache();
        this.#limit.shrink(size);
      },
    });
    if (batchChannel.hasSubscribers) {
      const failed = outcomes.filter(({ ok }) => !ok).length;
      const seconds = (performance.now() - started) / 1000;
      const event: BatchEvent = { operation, device, items: items.length, failed, waits, seconds, splits };
      batchChannel.publish(event);
    }
    return outcomes;
  }

  async #forward(items: Item[]): Promise<R[]> {
    const { host, forward } = this.#options;
    const { values } = await host.call((module, run) => forward(module, items, run));
    this.#limit.succeeded(items.length);
    return values;
  }
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof ClipBlipError && error.code === "ERR_OUT_OF_MEMORY";
}
