import { RETRY_SOON, ServiceError } from "./errors.js";
import { Place } from "./gate.js";

/** The bytes of all bodies that are being received or worked on. */
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
      throw new ServiceError(429, "ERR_QUEUE_FULL", "Too many bytes are on their way: try again later.", {
        retryAfter: RETRY_SOON,
      });
    }
    return new Place((change) => {
      this.#bytes += change;
    }, bytes);
  }
}
