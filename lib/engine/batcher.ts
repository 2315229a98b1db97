import type { DeviceQueue } from "./device-queue.js";
import { type BatchEvent, batchChannel } from "./events.js";
import { type Outcome, runSplitting, type Splittable } from "./split.js";

/** What a batcher makes batches for. */
export interface Batched<Item, R> extends Splittable<Item, R> {
  /** As `BatchEvent` names it. */
  readonly name: string;
  /** "cpu", "cuda:0", … */
  readonly device: string;
  /** Items with another key never share a batch with this one (their options differ). */
  key(item: Item): string;
  /** Items of the kind of `item` that the next batch may hold, at least 1; asked when the turn comes. */
  limit(item: Item): number;
  /** Whether a full batch may be handed over while the one before is on the device: its items can then travel meanwhile. */
  overlaps(): boolean;
}

/** One call of a user: the batcher waits for its items that are still being prepared. */
export interface Call {
  /** Items that are being decoded or tokenized and will be ready soon. */
  preparing: number;
}

interface Entry<Item, R> {
  item: Item;
  key: string;
  call: Call;
  /** Milliseconds of `performance.now()`. */
  submitted: number;
  resolve: (value: R) => void;
  reject: (error: unknown) => void;
}

/**
 * Collects the items of concurrent calls into batches. A batch starts when the device is free and either enough items
 * are there to fill it or some call has nothing left to wait for: a call on an idle device starts at once.
 */
export class Batcher<Item, R> {
  readonly #operation: Batched<Item, R>;
  readonly #queue: DeviceQueue;
  #ready: Entry<Item, R>[] = [];
  #turnRequested = false;
  /** Batches under way. They share one turn on the device, which the last of them ends. */
  #running = 0;
  /** When the last batch ended: where batches overlap, the next one waited for that. */
  #lastEnd = 0;
  #closed: { reason: unknown } | undefined;

  constructor(operation: Batched<Item, R>, queue: DeviceQueue) {
    this.#operation = operation;
    this.#queue = queue;
  }

  /** Adds one prepared item of `call`; settles with its own result. */
  submit(item: Item, call: Call): Promise<R> {
    if (this.#closed) return Promise.reject(this.#closed.reason);
    return new Promise<R>((resolve, reject) => {
      const key = this.#operation.key(item);
      this.#ready.push({ item, key, call, submitted: performance.now(), resolve, reject });
      void this.poke();
    });
  }

  /** Takes everything of `call` out of the queue and rejects it; what runs already is not touched. */
  cancel(call: Call, reason: unknown): void {
    this.#rejectWhere((entry) => entry.call === call, reason);
  }

  /** Takes out everything that waits and rejects it, and rejects what is submitted from here on. */
  close(reason: unknown): void {
    this.#closed = { reason };
    this.#rejectWhere(() => true, reason);
  }

  /**
   * Looks again whether a batch can start, and takes a turn on the device for it; to be called when a call has finished
   * or given up preparing an item. Never rejects.
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
    // Those for whom the turn was taken may have gone, and the others not be complete.
    if (!this.#isDue()) {
      this.#queue.release();
      return;
    }
    void this.#run();
    // In line again while this batch runs: what is to be done when nobody waits must see that somebody does.
    void this.poke();
  }

  /** Whether a batch may follow the one that runs, in its turn: a full one, where nobody else waits for the device. */
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

  /** Runs the next batch in the turn that this batcher has, and settles its items. */
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
    // Before the turn ends, so that this batcher's next one stands in line behind those who wait already.
    void this.poke();
    if (this.#running === 0) this.#queue.release();
  }

  /** The oldest item and those behind it that may run with it. */
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
