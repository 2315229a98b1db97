import { powerOfTwoBelow } from "./split.js";

/** Batches in a row that must fit before a size that was once too large is tried again. */
const SUCCESSES_BEFORE_GROWTH = 16;

/**
 * The largest batch that is tried. It starts at what the probe found, falls when memory runs out, and comes back step
 * by step: a neighbour on the same device may have taken the memory only for a while.
 */
export class BatchLimit {
  #safe: number;
  #current: number;
  #successes = 0;

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
  }

  /** `size` items did not fit: the next power of two below is tried. */
  shrink(size: number): void {
    this.#current = Math.min(this.#current, powerOfTwoBelow(size));
    this.#successes = 0;
  }

  /** `size` items fitted. Only full batches are evidence for more. */
  succeeded(size: number): void {
    if (this.#current >= this.#safe || size < this.#current) return;
    this.#successes += 1;
    if (this.#successes < SUCCESSES_BEFORE_GROWTH) return;
    this.#current = Math.min(this.#safe, this.#current * 2);
    this.#successes = 0;
  }
}
