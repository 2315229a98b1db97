import { ClipBlipError } from "../common/errors.js";

/** Counts the items that were accepted and are not finished; refuses new calls when too many wait. */
export class Admission {
  #accepted = 0;
  readonly #limit: number;

  /** `limit`: accepted items from which on the next call is refused. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Items accepted and not finished. */
  get accepted(): number {
    return this.#accepted;
  }

  /**
   * Accepts a call of `items` items. A call is taken whole: the limit refuses the next call, never a part of one.
   * @throws ClipBlipError ERR_QUEUE_FULL
   */
  enter(items: number): void {
    if (this.#accepted >= this.#limit) {
      throw new ClipBlipError(
        "ERR_QUEUE_FULL",
        `${this.#accepted} items wait already, and maxQueue is ${this.#limit}: try again later, or raise maxQueue`,
      );
    }
    this.enterUnchecked(items);
  }

  /** Accepts items that hold themselves back: a stream keeps only its window in flight. */
  enterUnchecked(items: number): void {
    this.#accepted += items;
  }

  /** `items` items are finished, or given up. */
  leave(items: number): void {
    this.#accepted -= items;
  }
}
