import { ClipBlipError } from "../common/errors.js";
import { isOutOfMemory } from "../native/errors.js";
import type { ModuleHandle, RunOptions, RunStats } from "../native/types.js";
import type { Admission } from "./admission.js";
import { BatchLimit, batchBuckets } from "./batch-limit.js";
import { type Batched, Batcher } from "./batcher.js";
import type { DeviceQueue } from "./device-queue.js";
import { closedError, type ModelHost } from "./host.js";
import { Pipeline, type Prepared } from "./pipeline.js";
import { fittingItems, type MemoryModel, probeMemory } from "./probe.js";

/** One batch's results, and the memory that they took. */
export interface BatchResult<R> extends RunStats {
  values: R[];
}

/** What all operations of one model share. */
export interface OperationContext {
  /** "cpu", "cuda:0", … */
  device: string;
  host: ModelHost;
  queue: DeviceQueue;
  admission: Admission;
  /** The user's cap on the rows of a batch, if there is one. */
  maxBatchSize?: number;
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

/**
 * One thing that a model does with batches: encode pictures, encode texts, write captions. A subclass says how an input
 * is prepared and how a batch is run. This class has the batches, the batch size that it learned, and the places in the
 * queue. Batch sizes are in rows.
 */
export abstract class Operation<Input, Item, R> implements Prepared<Input, Item>, Batched<Item, R> {
  /** As `BatchEvent` names it. */
  abstract readonly name: string;
  readonly device: string;
  readonly pipeline: Pipeline<Input, Item, R>;
  readonly #context: OperationContext;
  readonly #batcher: Batcher<Item, R>;
  readonly #limit: BatchLimit;
  /** The largest batch that is of use, in rows: larger ones are no faster, or more than the user allows. */
  readonly #maxUseful: number;

  /** `maxUseful`: rows above which larger batches are no faster. */
  constructor(context: OperationContext, maxUseful: number) {
    const { device, queue, admission, maxBatchSize = Number.POSITIVE_INFINITY } = context;
    this.device = device;
    this.#context = context;
    this.#maxUseful = Math.min(maxUseful, maxBatchSize);
    this.#limit = new BatchLimit(this.#maxUseful);
    this.#batcher = new Batcher(this, queue);
    this.pipeline = new Pipeline(this, this.#batcher, admission);
  }

  /** Turns an input of a user into an item of a batch: decoding, resizing, tokenizing. */
  abstract prepare(input: Input, signal: AbortSignal): Promise<Item> | Item;

  /** Items with different keys do not share a batch. */
  abstract key(item: Item): string;

  /** Rows that an item takes in a batch, such as one for each of its beams. Equal for items with the same key. */
  rows(_item: Item): number {
    return 1;
  }

  /** Whether a full batch may be handed over while the one before is on the device. */
  overlaps(): boolean {
    return false;
  }

  /** One forward over all items. */
  protected abstract run(module: ModuleHandle, items: Item[], options: RunOptions): Promise<BatchResult<R>>;

  /** An item of one row and of the usual size, for the probe and the warm-up. */
  protected abstract sample(): Item;

  /** How many items of a call are prepared ahead: while one batch is on the device, the next one is prepared. */
  window(): number {
    return 2 * this.#batchSize();
  }

  /** How many items like `item` the next batch may hold. */
  limit(item: Item): number {
    return Math.max(1, Math.floor(this.#batchSize() / this.rows(item)));
  }

  /** One forward, from which the size of later batches is learned. Rejects with a ClipBlipError. */
  async forward(items: Item[]): Promise<R[]> {
    const { host } = this.#context;
    const { values, peakBytes } = await host.call((module, options) => this.run(module, items, options));
    if (values.length !== items.length) {
      throw new ClipBlipError(
        "ERR_INTERNAL",
        `A batch of ${items.length} items gave ${values.length} results: this package did not write the archive`,
      );
    }
    // If the allocator cannot enforce the budget, the size of the next batch does.
    if (peakBytes > host.budget) this.ranOutOfMemory(items);
    else this.#limit.succeeded(this.#rowsOf(items));
    return values;
  }

  /** Smaller batches from here on. */
  ranOutOfMemory(items: Item[]): void {
    this.#limit.shrink(this.#rowsOf(items));
  }

  /** Measures how many rows fit into the memory that is free now. Takes a turn on the device. */
  async probe(signal?: AbortSignal): Promise<MeasuredBatch> {
    const { queue, host } = this.#context;
    const memory = await queue.run(async () =>
      probeMemory({
        budget: await host.measureBudget(),
        run: async (size) => {
          signal?.throwIfAborted();
          if (host.state === "closed") throw closedError();
          const items = this.#samples(size);
          const call = host.call((module, options) => this.run(module, items, { ...options, record: false }));
          return (await call).peakBytes;
        },
        largestUseful: this.#maxUseful,
        timeBudget: PROBE_TIME,
        timeBudgetWherePlenty: PROBE_TIME_WHERE_PLENTY,
      }),
    );
    return this.adopt(memory);
  }

  /** Takes over what a probe of the same model found, and applies it to the memory that is free now. */
  adopt(memory: MemoryModel): MeasuredBatch {
    const { host, maxBatchSize } = this.#context;
    const fitting = fittingItems(memory, host.budget);
    const safeBatchSize = Math.min(fitting, maxBatchSize ?? fitting);
    this.#limit.reset(safeBatchSize);
    return { ...memory, safeBatchSize };
  }

  /** Runs a batch of every size once, so that no call of a user waits for lazy initialization. Stops when memory runs out. */
  async warmup(): Promise<void> {
    for (const size of batchBuckets(this.#batchSize())) {
      if (size > this.#batchSize()) return;
      const items = this.#samples(size);
      try {
        await this.#context.queue.run(() => this.forward(items));
      } catch (error) {
        if (size === 1 || !isOutOfMemory(error)) throw error;
        this.ranOutOfMemory(items);
      }
    }
  }

  /** Ends the operation: everything that waits or is still submitted rejects. */
  close(reason: unknown): void {
    this.#batcher.close(reason);
  }

  #batchSize(): number {
    return Math.min(this.#limit.current, this.#maxUseful);
  }

  #rowsOf(items: Item[]): number {
    return items.reduce((sum, item) => sum + this.rows(item), 0);
  }

  #samples(count: number): Item[] {
    return Array.from({ length: count }, () => this.sample());
  }
}
