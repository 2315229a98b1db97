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

/** The results of a batch and their cost. */
export interface BatchResult<R> extends RunStats {
  values: R[];
}

/** What the operations of one model share. */
export interface OperationContext {
  /** "cpu", "cuda:0", … */
  device: string;
  host: ModelHost;
  queue: DeviceQueue;
  admission: Admission;
  /** The user's limit on the rows of a batch, if any. */
  maxBatchSize?: number;
}

/** What an operation knows about the memory of its batches. */
export interface MeasuredBatch extends MemoryModel {
  /** Number of rows that fit into the budget. */
  safeBatchSize: number;
}

/** Approximate time limit of an operation's probe, in milliseconds. A CLIP model has two operations. */
const PROBE_TIME = 500;
/** The same if the largest useful batch fits several times over, as usual on a CPU. */
const PROBE_TIME_WHERE_PLENTY = 100;

/**
 * Something that a model does with a batch: encode pictures, encode texts, write captions. Subclasses define how an
 * input is prepared and how a batch is run; this class manages batches, the learned batch size and the places in the
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
  /** The largest batch size of use, in rows: larger ones are no faster, or exceed the user's limit. */
  readonly #maxUseful: number;

  /** @param maxUseful batch size, in rows, beyond which throughput no longer grows */
  constructor(context: OperationContext, maxUseful: number) {
    const { device, queue, admission, maxBatchSize = Number.POSITIVE_INFINITY } = context;
    this.device = device;
    this.#context = context;
    this.#maxUseful = Math.min(maxUseful, maxBatchSize);
    this.#limit = new BatchLimit(this.#maxUseful);
    this.#batcher = new Batcher(this, queue);
    this.pipeline = new Pipeline(this, this.#batcher, admission);
  }

  /** Turns a user's input into an item of a batch: decodes, resizes, tokenizes. */
  abstract prepare(input: Input, signal: AbortSignal): Promise<Item> | Item;

  /** Only items with equal keys share a batch. */
  abstract key(item: Item): string;

  /** Rows that an item takes in a batch, for example one for each beam. Equal for items with equal keys. */
  rows(_item: Item): number {
    return 1;
  }

  /** Whether a full batch may be handed over while the previous one runs. */
  overlaps(): boolean {
    return false;
  }

  /** Runs one forward pass over all items. */
  protected abstract run(module: ModuleHandle, items: Item[], options: RunOptions): Promise<BatchResult<R>>;

  /** An item of one row and typical size; the probe and the warm-up run batches of them. */
  protected abstract sample(): Item;

  /** Number of items of a call to prepare ahead: one batch runs while the next one is prepared. */
  window(): number {
    return 2 * this.#batchSize();
  }

  /** Maximum number of items like `item` in the next batch. */
  limit(item: Item): number {
    return Math.max(1, Math.floor(this.#batchSize() / this.rows(item)));
  }

  /** Runs one forward pass and learns from it how large later batches may be. Rejects with a ClipBlipError. */
  async forward(items: Item[]): Promise<R[]> {
    const { host } = this.#context;
    const { values, peakBytes } = await host.call((module, options) => this.run(module, items, options));
    if (values.length !== items.length) {
      throw new ClipBlipError(
        "ERR_INTERNAL",
        `A batch of ${items.length} items gave ${values.length} results: export the model again with clip-blip`,
      );
    }
    // If the allocator did not keep to the budget, make the next batch smaller.
    if (peakBytes > host.budget) this.ranOutOfMemory(items);
    else this.#limit.succeeded(this.#rowsOf(items));
    return values;
  }

  /** Makes batches smaller from now on. */
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

  /** Takes over an earlier probe of the same model, and computes what fits into the memory that is free now. */
  adopt(memory: MemoryModel): MeasuredBatch {
    const { host, maxBatchSize } = this.#context;
    const fitting = fittingItems(memory, host.budget);
    const safeBatchSize = Math.min(fitting, maxBatchSize ?? fitting);
    this.#limit.reset(safeBatchSize);
    return { ...memory, safeBatchSize };
  }

  /** Runs every batch bucket once, so that no user's call meets lazy initialization. Stops when memory runs out. */
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

  /** Closes the operation: waiting and later items reject. */
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
