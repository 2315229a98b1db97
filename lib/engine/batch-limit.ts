/** Number of batches in a row that must fit before a size that was too large is tried again. */
const PATIENCE = 16;

/** The same, after several such tries have failed. */
const MAX_PATIENCE = 1024;

/**
 * The largest batch that is tried. It starts at what the probe found and falls when memory runs out. Then it grows back
 * step by step, since another user of the device may have needed the memory only for a while. Each failed try doubles
 * the wait before the next one.
 */
export class BatchLimit {
  #safe: number;
  #current: number;
  #successes = 0;
  #patience = PATIENCE;
  /** Whether the size was raised and no full batch has fitted yet. */
  #onTrial = false;

  /** `safe`: items that fit, as measured. */
  constructor(safe: number) {
    this.#safe = safe;
    this.#current = safe;
  }

  /** Items that the next batch may hold; at least 1. */
  get current(): number {
    return this.#current;
  }

  /** A new measurement replaces what was learned. */
  reset(safe: number): void {
    this.#safe = safe;
    this.#current = safe;
    this.#successes = 0;
    this.#patience = PATIENCE;
    this.#onTrial = false;
  }

  /** `size` items did not fit: the bucket below is tried. */
  shrink(size: number): void {
    this.#current = Math.min(this.#current, bucketBelow(size));
    this.#successes = 0;
    if (this.#onTrial) this.#patience = Math.min(2 * this.#patience, MAX_PATIENCE);
    this.#onTrial = false;
  }

  /** `size` items fitted. Only full batches are evidence for more. */
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
 * The batch sizes that a device is prepared for: powers of two, and the largest batch. When memory runs out, a batch goes
 * to the size below, so that few shapes occur. A batch with fewer items, because there are no more, runs as it is and is
 * not padded.
 */

/** The buckets up to `largest`, in ascending order; the last one is `largest` itself. */
export function batchBuckets(largest: number): number[] {
  const buckets: number[] = [];
  for (let size = 1; size < largest; size *= 2) buckets.push(size);
  return [...buckets, largest];
}

/** The bucket below a batch of `size`, whether that is a bucket itself or not; 1 below 1. */
export function bucketBelow(size: number): number {
  return batchBuckets(size).at(-2) ?? 1;
}

/** The bucket above a batch of `size`, of those up to `largest`. */
export function bucketAbove(size: number, largest: number): number {
  return batchBuckets(largest).find((bucket) => bucket > size) ?? largest;
}
