import type { CapabilitiesAnswer } from "./api.js";
import { isPassing } from "./service-state.js";

/** Requests at a time: enough for the service to form batches, few enough to leave room for other clients. */
const AT_A_TIME = 6;

/** Milliseconds before a request is tried again. */
const PAUSE = 500;

/** Runs requests, a few at a time. Those that fail temporarily are tried again once the service is ready. */
export class WorkerPool {
  readonly #whenReady: () => Promise<CapabilitiesAnswer>;
  readonly #waiting: (() => Promise<void>)[] = [];
  #running = 0;

  constructor(whenReady: () => Promise<CapabilitiesAnswer>) {
    this.#whenReady = whenReady;
  }

  /** Resolves with the result of `work`. Rejects with its lasting errors, or with the signal's reason. */
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => this.#persist(work, signal).then(resolve, reject));
      this.#next();
    });
  }

  async #persist<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        if (!isPassing(error)) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      await this.#whenReady();
    }
  }

  #next(): void {
    if (this.#running >= AT_A_TIME) return;
    const task = this.#waiting.shift();
    if (!task) return;
    this.#running += 1;
    void task().finally(() => {
      this.#running -= 1;
      this.#next();
    });
  }
}
