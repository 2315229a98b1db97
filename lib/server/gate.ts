import { RETRY_SOON, ServiceError } from "./errors.js";

/**
 * The places in one model's queue. A request takes one place when its headers arrive, so that a full queue refuses it
 * before its body is read. Once the body is known, it takes one place for each item.
 */
export class Gate {
  readonly #limit: number;
  #depth = 0;

  /** `limit`: number of taken places at which further requests are refused. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Number of taken places. */
  get depth(): number {
    return this.#depth;
  }

  /** @throws ServiceError 429 ERR_QUEUE_FULL */
  enter(): Place {
    if (this.#depth >= this.#limit) {
      throw new ServiceError(429, "ERR_QUEUE_FULL", "Too many items are waiting: try again later.", {
        retryAfter: RETRY_SOON,
      });
    }
    return new Place((change) => {
      this.#depth += change;
    });
  }
}

/** The share of one request in a counted resource. */
export class Place {
  readonly #change: (by: number) => void;
  #taken = 0;
  #left = false;

  constructor(change: (by: number) => void, amount = 1) {
    this.#change = change;
    this.take(amount);
  }

  /** Takes `amount` instead of what was taken before. Does nothing after `leave`. */
  take(amount: number): void {
    if (this.#left) return;
    this.#change(amount - this.#taken);
    this.#taken = amount;
  }

  leave(): void {
    this.take(0);
    this.#left = true;
  }
}

/** The bytes of all request bodies in memory. */
export class BodyBudget {
  readonly #limit: number;
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @throws ServiceError 429 ERR_QUEUE_FULL */
  enter(bytes: number): Place {
    if (this.#bytes + bytes > this.#limit) {
      throw new ServiceError(429, "ERR_QUEUE_FULL", "Too many request bodies are in memory: try again later.", {
        retryAfter: RETRY_SOON,
      });
    }
    return new Place((change) => {
      this.#bytes += change;
    }, bytes);
  }
}
