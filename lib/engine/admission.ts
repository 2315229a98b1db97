import { ClipBlipError } from "../common/errors.js";

/** Counts accepted, unfinished items; rejects new calls while too many are waiting. */
export class Admission {
  #accepted = 0;
  readonly #limit: number;

  /** @param limit once this many items are accepted, the next call is rejected */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Items that are accepted and not finished. */
  get accepted(): number {
    return this.#accepted;
  }

  /**
   * Accepts a call of `items` items. A call is accepted as a whole, even if it exceeds the limit; only the next one is
   * rejected.
   * @throws ClipBlipError ERR_QUEUE_FULL
   */
  enter(items: number): void {
    if (this.#accepted >= this.#limit) {
      throw new ClipBlipError(
        "ERR_QUEUE_FULL",
        `${this.#accepted} items are already waiting and maxQueue is ${this.#limit}: try again later, or raise maxQueue`,
      );
    }
    this.enterUnchecked(items);
  }

  /** Accepts items without a check: a stream limits itself, because it keeps only its window in flight. */
  enterUnchecked(items: number): void {
    this.#accepted += items;
  }

  /** Marks `items` items as finished or abandoned. */
  leave(items: number): void {
    this.#accepted -= items;
  }
}
