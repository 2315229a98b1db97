import { ClipBlipError } from "../common/errors.js";
import type { ModuleHandle, RunOptions, RunStats } from "../native/types.js";
import type { Admission } from "./admission.js";
import { BatchLimit, batchBuckets } from "./batch-limit.js";
import { Batcher } from "./batcher.js";
import type { DeviceQueue } from "./device-queue.js";
import { type BatchEvent, batchChannel } from "./events.js";
import { closedError, type ModelHost } from "./host.js";
import { Pipeline } from "./pipeline.js";
import { fittingItems, type MemoryModel, probeMemory } from "./probe.js";
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
  /** Rows of a batch that an item takes: one for each of its beams, say. Equal for items of one key. Default 1. */
  rows?: (item: Item) => number;
  /** One forward over all items. */
  forward: (module: ModuleHandle, items: Item[], options: RunOptions) => Promise<BatchResult<R>>;
  /** An item of one row and of the usual size, for the probe and the warm-up, which run several at a time. */
  sample: () => Item;
  /** Rows of a batch from which on larger ones are no faster. */
  largestUseful: number;
  /** The user's cap, if there is one. */
  maxBatchSize?: number;
  /** As `BatcherOptions.overlap`. */
  overlap?: () => boolean;
}

/** What an operation knows of the memory that its batches take. */
export interface MeasuredBatch extends MemoryModel {
  /** Rows that fit into the budget. */
  safeBatchSize: number;
}

/** Milliseconds that the probe of one operation may take, about. A CLIP model has two. */
const PROBE_TIME = 500;
/** The same where the batches that are of use fit several times over, as those of a CPU mostly do. */
const PROBE_TIME_WHERE_PLENTY = 100;

/** An operation with its batches, its learned batch size and its queue places. Sizes of batches are in rows. */
export class Operation<Input, Item, R> {
  readonly pipeline: Pipeline<Input, Item, R>;
  readonly #options: OperationOptions<Input, Item, R>;
  readonly #batcher: Batcher<Item, R>;
  readonly #limit: BatchLimit;
  /** When the last batch ended: where batches overlap, the next one waited for that. */
  #lastEnd = 0;

  constructor(options: OperationOptions<Input, Item, R>) {
    this.#options = options;
    this.#limit = new BatchLimit(options.maxBatchSize ?? options.largestUseful);
    this.#batcher = new Batcher<Item, R>({
      queue: options.queue,
      key: options.key,
      limit: (item) => Math.max(1, Math.floor(this.#batchSize() / this.#rows([item]))),
      run: (items, waits) => this.#runBatch(items, waits),
      overlap: options.overlap,
    });
    this.pipeline = new Pipeline({
      prepare: options.prepare,
      batcher: this.#batcher,
      admission: options.admission,
      // One batch on the device, the next one being prepared.
      window: () => 2 * this.#batchSize(),
    });
  }

  /** Measures how many rows fit into the memory that is free now. Takes a turn on the device. */
  async probe(signal?: AbortSignal): Promise<MeasuredBatch> {
    const { queue, host, sample } = this.#options;
    const memory = await queue.run(async () =>
      probeMemory({
        budget: await host.measureBudget(),
        run: async (size) => {
          signal?.throwIfAborted();
          if (host.state === "closed") throw closedError();
          return (await this.#call(Array.from({ length: size }, sample), { record: false })).peakBytes;
        },
        isOutOfMemory,
        largestUseful: this.#largestUseful,
        timeBudget: PROBE_TIME,
        timeBudgetWherePlenty: PROBE_TIME_WHERE_PLENTY,
      }),
    );
    return this.adopt(memory);
  }

  /** Takes over what a probe of the same model found, and sees what it means for the memory that is free now. */
  adopt(memory: MemoryModel): MeasuredBatch {
    const { host, maxBatchSize } = this.#options;
    const fitting = fittingItems(memory, host.budget);
    const safeBatchSize = Math.min(fitting, maxBatchSize ?? fitting);
    this.#limit.reset(safeBatchSize);
    return { ...memory, safeBatchSize };
  }

  /** Runs every batch bucket once, so that no call of a user meets lazy initialisation. Stops where memory ends. */
  async warmup(): Promise<void> {
    for (const size of batchBuckets(this.#batchSize())) {
      if (size > this.#batchSize()) return;
      const items = Array.from({ length: size }, this.#options.sample);
      try {
        await this.#options.queue.run(() => this.#forward(items));
      } catch (error) {
        if (size === 1 || !isOutOfMemory(error)) throw error;
        this.#limit.shrink(size);
      }
    }
  }

  /** Ends the operation: what waits, and what would come yet, rejects. */
  close(reason: unknown): void {
    this.#batcher.close(reason);
  }

  get #largestUseful(): number {
    const { largestUseful, maxBatchSize } = this.#options;
    return Math.min(largestUseful, maxBatchSize ?? largestUseful);
  }

  #batchSize(): number {
    return Math.min(this.#limit.current, this.#options.largestUseful);
  }

  #rows(items: Item[]): number {
    const { rows } = this.#options;
    return rows ? items.reduce((sum, item) => sum + rows(item), 0) : items.length;
  }

  async #runBatch(items: Item[], waits: number[]): Promise<Outcome<R>[]> {
    const { name: operation, device } = this.#options;
    const started = performance.now();
    let splits = 0;
    const outcomes = await runSplitting(items, {
      forward: (part) => this.#forward(part),
      isOutOfMemory,
      onOutOfMemory: (part) => {
        splits += 1;
        this.#limit.shrink(this.#rows(part));
      },
    });
    const ended = performance.now();
    const seconds = (ended - Math.max(started, this.#lastEnd)) / 1000;
    this.#lastEnd = ended;
    if (batchChannel.hasSubscribers) {
      const failed = outcomes.filter(({ ok }) => !ok).length;
      const event: BatchEvent = { operation, device, items: items.length, failed, waits, seconds, splits };
      batchChannel.publish(event);
    }
    return outcomes;
  }

  /** One forward, from which the size of later batches is learned. */
  async #forward(items: Item[]): Promise<R[]> {
    const { values, peakBytes } = await this.#call(items);
    const rows = this.#rows(items);
    // Where the allocator cannot be held to the budget, the next batch is.
    if (peakBytes > this.#options.host.budget) this.#limit.shrink(rows);
    else this.#limit.succeeded(rows);
    return values;
  }

  async #call(items: Item[], options: Pick<RunOptions, "record"> = {}): Promise<BatchResult<R>> {
    const { host, forward } = this.#options;
    const result = await host.call((module, run) => forward(module, items, { ...run, ...options }));
    if (result.values.length !== items.length) {
      throw new ClipBlipError(
        "ERR_INTERNAL",
        `A batch of ${items.length} items gave ${result.values.length} results: the model is not one of this package`,
      );
    }
    return result;
  }
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof ClipBlipError && error.code === "ERR_OUT_OF_MEMORY";
}
