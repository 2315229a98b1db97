/** Number of full batches that must fit in a row before a larger size is tried again. */
const PATIENCE = 16;

/** Upper bound of that number, which doubles with each failed try. */
const MAX_PATIENCE = 1024;

/**
 * The largest batch to try. It starts at what the probe found, shrinks when memory runs out, and grows back step by
 * step, because a neighbour may have taken the memory only for a while. Each failed try doubles the wait for the next
 * one.
 */
export class BatchLimit {
  #safe: number;
  #current: number;
  #successes = 0;
  #patience = PATIENCE;
  /** The size was raised and has not proved itself yet. */
  #onTrial = false;

  /** @param safe number of items that fit, as measured */
  constructor(safe: number) {
    this.#safe = safe;
    this.#current = safe;
  }

  /** Maximum number of items in the next batch; at least 1. */
  get current(): number {
    return this.#current;
  }

  /** Replaces what was learned by a new measurement. */
  reset(safe: number): void {
    this.#safe = safe;
    this.#current = safe;
    this.#successes = 0;
    this.#patience = PATIENCE;
    this.#onTrial = false;
  }

  /** Records that `size` items did not fit; the bucket below is tried next. */
  shrink(size: number): void {
    this.#current = Math.min(this.#current, bucketBelow(size));
    this.#successes = 0;
    if (this.#onTrial) this.#patience = Math.min(2 * this.#patience, MAX_PATIENCE);
    this.#onTrial = false;
  }

  /** Records that `size` items fitted. Only full batches are evidence that more may fit. */
  succeeded(size: number): void {
    if (size < this.#current) return;
    this.#successes += 1;
    if (this.#onTrial && this.#successes >= PATIENCE) {
      this.#onTrial = false;
      this.#patience = PATIENCE;
    }
    if (this.#current >= this.#safe || this.#successes < this.#patience) return;
    this.#current = bucketAbove(this.#current, this.#safe);
    this.#successes = 0;
    this.#onTrial = true;
  }
}

/**
 * Batch buckets are the sizes that a device is prepared for: powers of two, and the largest batch. A batch that does
 * not fit is cut to the bucket below, so that few different shapes occur. A batch with fewer items runs as it is,
 * without padding.
 */

/** The buckets up to `largest`, in ascending order; the last one is `largest` itself. */
export function batchBuckets(largest: number): number[] {
  const buckets: number[] = [];
  for (let size = 1; size < largest; size *= 2) buckets.push(size);
  return [...buckets, largest];
}

/** The largest bucket below `size`; 1 if there is none. */
export function bucketBelow(size: number): number {
  return batchBuckets(size).at(-2) ?? 1;
}

/** The smallest bucket above `size`, but at most `largest`. */
export function bucketAbove(size: number, largest: number): number {
  return batchBuckets(largest).find((bucket) => bucket > size) ?? largest;
}
