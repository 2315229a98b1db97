import { ClipBlipError } from "../common/errors.js";

/** Counts the items that were accepted and are not finished; refuses new calls when too many wait. */
export class Admission {
  #accepted = 0;
  readonly #limit: number;

  /** `limit`: number of unfinished items at which further calls are refused. */
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
        `${this.#accepted} items are waiting and maxQueue is ${this.#limit}: try again later, or raise maxQueue`,
      );
    }
    this.enterUnchecked(items);
  }

  /** Accepts items of a stream, which limits itself to its window. */
  enterUnchecked(items: number): void {
    this.#accepted += items;
  }

  /** Tells that `items` items are finished or given up. */
  leave(items: number): void {
    this.#accepted -= items;
  }
}
