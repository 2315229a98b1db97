import type { DeviceQueue } from "./device-queue.js";
import { type BatchEvent, batchChannel } from "./events.js";
import { type Outcome, runSplitting, type Splittable } from "./split.js";

/** The operation whose items a batcher collects. */
export interface Batched<Item, R> extends Splittable<Item, R> {
  /** As `BatchEvent` names it. */
  readonly name: string;
  /** "cpu", "cuda:0", … */
  readonly device: string;
  /** Only items with equal keys share a batch (keys differ where options do). */
  key(item: Item): string;
  /** Maximum number of items like `item` in the next batch, at least 1; asked when the batch is made. */
  limit(item: Item): number;
  /**
   * Whether a full batch may be handed over while the previous one runs, so that its items are transferred meanwhile.
   */
  overlaps(): boolean;
}

/** A user's call. The batcher waits for its items that are still being prepared. */
export interface Call {
  /** Number of items that are being decoded or tokenized. */
  preparing: number;
}

interface Entry<Item, R> {
  item: Item;
  key: string;
  call: Call;
  /** In milliseconds of `performance.now()`. */
  submitted: number;
  resolve: (value: R) => void;
  reject: (error: unknown) => void;
}

/**
 * Collects the items of concurrent calls into batches. A batch starts when the device is free and either enough items
 * for a full batch are ready or some call has nothing left to prepare. So a call to an idle device starts at once.
 */
export class Batcher<Item, R> {
  readonly #operation: Batched<Item, R>;
  readonly #queue: DeviceQueue;
  #ready: Entry<Item, R>[] = [];
  #turnRequested = false;
  /** Running batches. They share one turn on the device, which the last of them ends. */
  #running = 0;
  /** When the last batch ended; an overlapping batch had to wait for it. */
  #lastEnd = 0;
  #closed: { reason: unknown } | undefined;

  constructor(operation: Batched<Item, R>, queue: DeviceQueue) {
    this.#operation = operation;
    this.#queue = queue;
  }

  /** Adds a prepared item of `call`; settles with the result of this item. */
  submit(item: Item, call: Call): Promise<R> {
    if (this.#closed) return Promise.reject(this.#closed.reason);
    return new Promise<R>((resolve, reject) => {
      const key = this.#operation.key(item);
      this.#ready.push({ item, key, call, submitted: performance.now(), resolve, reject });
      void this.poke();
    });
  }

  /** Removes all waiting items of `call` and rejects them; running ones are not affected. */
  cancel(call: Call, reason: unknown): void {
    this.#rejectWhere((entry) => entry.call === call, reason);
  }

  /** Rejects all waiting items, and everything submitted from now on. */
  close(reason: unknown): void {
    this.#closed = { reason };
    this.#rejectWhere(() => true, reason);
  }

  /**
   * Starts a batch if one can start, taking a turn on the device for it. To be called whenever a call has finished or
   * abandoned the preparation of an item. Never rejects.
   */
  async poke(): Promise<void> {
    if (this.#mayFollow()) void this.#run();
    if (this.#turnRequested || !this.#isDue()) return;
    this.#turnRequested = true;
    try {
      if (!this.#queue.tryAcquire()) await this.#queue.acquire();
    } catch (error) {
      this.#turnRequested = false;
      this.#rejectWhere(() => true, error);
      return;
    }
    this.#turnRequested = false;
    // The items that the turn was taken for may be gone, and other calls may still be preparing.
    if (!this.#isDue()) {
      this.#queue.release();
      return;
    }
    void this.#run();
    // Queue for the next turn while this batch runs: work for when nobody waits must see that somebody does.
    void this.poke();
  }

  /** Whether a full batch may join the running one in its turn; only while nobody else waits for the device. */
  #mayFollow(): boolean {
    if (this.#running !== 1 || !this.#operation.overlaps() || !this.#isFull()) return false;
    return this.#queue.waiting <= (this.#turnRequested ? 1 : 0);
  }

  #isFull(): boolean {
    const [first] = this.#ready;
    return first !== undefined && this.#ready.length >= this.#operation.limit(first.item);
  }

  #isDue(): boolean {
    return this.#isFull() || this.#ready.some((entry) => entry.call.preparing === 0);
  }

  /** Runs the next batch in the current turn and settles its items. */
  async #run(): Promise<void> {
    this.#running += 1;
    const batch = this.#take();
    const started = performance.now();
    const { outcomes, splits } = await runSplitting(
      batch.map((entry) => entry.item),
      this.#operation,
    );
    const ended = performance.now();
    for (const [position, entry] of batch.entries()) {
      const outcome = outcomes[position]!;
      if (outcome.ok) entry.resolve(outcome.value);
      else entry.reject(outcome.error);
    }
    if (batchChannel.hasSubscribers) {
      const waits = batch.map((entry) => (started - entry.submitted) / 1000);
      this.#publish(outcomes, splits, waits, (ended - Math.max(started, this.#lastEnd)) / 1000);
    }
    this.#lastEnd = ended;
    this.#running -= 1;
    // Before the turn ends, so that the next batch queues behind those who are already waiting.
    void this.poke();
    if (this.#running === 0) this.#queue.release();
  }

  /** Takes the oldest item and those after it that may share its batch. */
  #take(): Entry<Item, R>[] {
    const [first] = this.#ready;
    if (!first) return [];
    const limit = this.#operation.limit(first.item);
    const batch: Entry<Item, R>[] = [];
    const rest: Entry<Item, R>[] = [];
    for (const entry of this.#ready) {
      if (entry.key === first.key && batch.length < limit) batch.push(entry);
      else rest.push(entry);
    }
    this.#ready = rest;
    return batch;
  }

  #publish(outcomes: Outcome<R>[], splits: number, waits: number[], seconds: number): void {
    const { name: operation, device } = this.#operation;
    const failed = outcomes.filter(({ ok }) => !ok).length;
    const event: BatchEvent = { operation, device, items: outcomes.length, failed, waits, seconds, splits };
    batchChannel.publish(event);
  }

  #rejectWhere(condition: (entry: Entry<Item, R>) => boolean, reason: unknown): void {
    const rejected = this.#ready.filter(condition);
    if (rejected.length === 0) return;
    this.#ready = this.#ready.filter((entry) => !condition(entry));
    for (const entry of rejected) entry.reject(reason);
    void this.poke();
  }
}
