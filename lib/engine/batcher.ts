import type { DeviceQueue } from "./device-queue.js";
import { type BatchEvent, batchChannel } from "./events.js";
import { type Outcome, runSplitting, type Splittable } from "./split.js";

/** What a batcher needs to know of its batches. */
export interface Batched<Item, R> extends Splittable<Item, R> {
  /** As `BatchEvent` names it. */
  readonly name: string;
  /** "cpu", "cuda:0", … */
  readonly device: string;
  /** Items with different keys, which have different options, never share a batch. */
  key(item: Item): string;
  /** How many items like `item` the next batch may hold, at least 1; asked when its turn comes. */
  limit(item: Item): number;
  /** Whether a full batch may be handed over while the one before is on the device, so that its items are uploaded meanwhile. */
  overlaps(): boolean;
}

/** One call of a user. The batcher waits for those of its items that are still being prepared. */
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
 * Collects the items of concurrent calls into batches. A batch starts when the device is free, and either it is full or
 * some call has no more items to prepare. So a call on an idle device starts at once.
 */
export class Batcher<Item, R> {
  readonly #operation: Batched<Item, R>;
  readonly #queue: DeviceQueue;
  #ready: Entry<Item, R>[] = [];
  #turnRequested = false;
  /** Batches under way. They share one turn on the device, which the last of them ends. */
  #running = 0;
  /** When the last batch ended. Where batches overlap, the next one has waited for that. */
  #lastEnd = 0;
  #closed: { reason: unknown } | undefined;

  constructor(operation: Batched<Item, R>, queue: DeviceQueue) {
    this.#operation = operation;
    this.#queue = queue;
  }

  /** Adds one prepared item of `call`; resolves with the result of that item. */
  submit(item: Item, call: Call): Promise<R> {
    if (this.#closed) return Promise.reject(this.#closed.reason);
    return new Promise<R>((resolve, reject) => {
      const key = this.#operation.key(item);
      this.#ready.push({ item, key, call, submitted: performance.now(), resolve, reject });
      void this.poke();
    });
  }

  /** Removes all items of `call` from the queue and rejects them. Items that are running go on. */
  cancel(call: Call, reason: unknown): void {
    this.#rejectWhere((entry) => entry.call === call, reason);
  }

  /** Rejects everything that waits, and everything that is submitted from now on. */
  close(reason: unknown): void {
    this.#closed = { reason };
    this.#rejectWhere(() => true, reason);
  }

  /**
   * Checks whether a batch can start, and takes a turn on the device for it. Call it whenever a call has finished or given
   * up preparing an item. Never rejects.
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
    // The calls that the turn was taken for may be gone, and the others not be ready.
    if (!this.#isDue()) {
      this.#queue.release();
      return;
    }
    void this.#run();
    // Queue again while this batch runs, so that it counts as waiting: some work is done only when nobody waits.
    void this.poke();
  }

  /** Whether a full batch may follow in the turn of the one that runs, because nobody else waits for the device. */
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

  /** Runs the next batch in the current turn, and settles its items. */
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
    // Before the turn ends, so that this batcher's next turn comes after those who wait already.
    void this.poke();
    if (this.#running === 0) this.#queue.release();
  }

  /** The oldest item, and the following ones that may share its batch. */
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
