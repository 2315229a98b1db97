import type { DeviceQueue } from "./device-queue.js";
import type { Outcome } from "./split.js";

/** What a batcher needs to know of its operation. */
export interface BatcherOptions<Item, R> {
  /** Turns on the device. */
  queue: DeviceQueue;
  /** Items of the kind of `item` that the next batch may hold, at least 1; read when the turn comes. */
  limit: (item: Item) => number;
  /** Runs one batch; one outcome an item, in order. `waits`: seconds that each item waited. */
  run: (items: Item[], waits: number[]) => Promise<Outcome<R>[]>;
  /** Items with another key never share a batch with this one (their options differ). */
  key: (item: Item) => string;
  /**
   * Whether a full batch may be handed over while the one before is on the device: its items can then travel meanwhile.
   * Default: no.
   */
  overlap?: () => boolean;
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
  readonly #options: BatcherOptions<Item, R>;
  #ready: Entry<Item, R>[] = [];
  #turnRequested = false;
  /** Batches of the turn that this batcher has; none without a turn. */
  readonly #running = new Set<Promise<void>>();
  #closed: { reason: unknown } | undefined;

  constructor(options: BatcherOptions<Item, R>) {
    this.#options = options;
  }

  /** Adds one prepared item of `call`; settles with its own result. */
  submit(item: Item, call: Call): Promise<R> {
    if (this.#closed) return Promise.reject(this.#closed.reason);
    return new Promise<R>((resolve, reject) => {
      this.#ready.push({ item, key: this.#options.key(item), call, submitted: performance.now(), resolve, reject });
      this.poke();
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

  /** Looks again whether a batch can start; to be called when a call has finished or given up preparing an item. */
  poke(): void {
    if (this.#mayFollow()) this.#start();
    if (this.#turnRequested || !this.#due()) return;
    this.#turnRequested = true;
    void this.#takeTurn();
  }

  async #takeTurn(): Promise<void> {
    try {
      await this.#options.queue.run(async () => {
        this.#turnRequested = false;
        // Those for whom the turn was taken may have gone, and the others not be complete.
        if (!this.#due()) return;
        this.#start();
        // In line again while this batch runs: what is to be done when nobody waits must see that somebody does.
        this.poke();
        while (this.#running.size > 0) await Promise.race(this.#running);
      });
    } catch (error) {
      this.#turnRequested = false;
      this.#rejectWhere(() => true, error);
    }
    this.poke();
  }

  /** Runs the next batch within the turn. */
  #start(): void {
    const run = this.#run(this.#take()).then(() => {
      this.#running.delete(run);
      this.poke();
    });
    this.#running.add(run);
  }

  /** Whether a batch may follow the one that runs, in its turn: a full one, where nobody else waits for the device. */
  #mayFollow(): boolean {
    const { overlap, queue } = this.#options;
    if (this.#running.size !== 1 || !overlap?.() || !this.#full()) return false;
    return queue.waiting <= (this.#turnRequested ? 1 : 0);
  }

  #full(): boolean {
    const [first] = this.#ready;
    return first !== undefined && this.#ready.length >= this.#options.limit(first.item);
  }

  #due(): boolean {
    if (this.#full()) return true;
    return this.#ready.some((entry) => entry.call.preparing === 0);
  }

  async #run(batch: Entry<Item, R>[]): Promise<void> {
    const started = performance.now();
    let outcomes: Outcome<R>[];
    try {
      outcomes = await this.#options.run(
        batch.map((entry) => entry.item),
        batch.map((entry) => (started - entry.submitted) / 1000),
      );
    } catch (error) {
      outcomes = batch.map(() => ({ ok: false, error }));
    }
    for (const [position, entry] of batch.entries()) {
      const outcome = outcomes[position]!;
      if (outcome.ok) entry.resolve(outcome.value);
      else entry.reject(outcome.error);
    }
  }

  /** The oldest item and those behind it that may run with it. */
  #take(): Entry<Item, R>[] {
    const [first] = this.#ready;
    if (!first) return [];
    const limit = this.#options.limit(first.item);
    const batch: Entry<Item, R>[] = [];
    const rest: Entry<Item, R>[] = [];
    for (const entry of this.#ready) {
      if (entry.key === first.key && batch.length < limit) batch.push(entry);
      else rest.push(entry);
    }
    this.#ready = rest;
    return batch;
  }

  #rejectWhere(condition: (entry: Entry<Item, R>) => boolean, reason: unknown): void {
    const rejected = this.#ready.filter(condition);
    if (rejected.length === 0) return;
    this.#ready = this.#ready.filter((entry) => !condition(entry));
    for (const entry of rejected) entry.reject(reason);
    this.poke();
  }
}
