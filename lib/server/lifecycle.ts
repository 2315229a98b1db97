import { setTimeout as sleep } from "node:timers/promises";
import { drainingError } from "./errors.js";

/** Milliseconds that requests have to answer once their work was cut off. */
const LAST_WORDS = 500;

/** The end of a service: no new work, what runs finishes, and what does not finish in time is cut off. */
export class Lifecycle {
  /** Of the work that runs; a set, since a signal that outlives its followers (AbortSignal.any) keeps something of each. */
  readonly #work = new Set<AbortController>();
  #draining = false;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  /** Whether new work is refused. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Has work aborted when the time to finish is over; gives back what takes it off again. */
  track(work: AbortController): () => void {
    this.#work.add(work);
    return () => this.#work.delete(work);
  }

  /** A request has begun. */
  enter(): void {
    this.#inFlight += 1;
  }

  /** A request has been answered, or its client has gone. */
  leave(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  /** Resolves when all requests have ended, `deadline` milliseconds and a moment later at the latest. */
  async drain(deadline: number): Promise<void> {
    this.#draining = true;
    await this.#idleWithin(deadline);
    if (this.#inFlight === 0) return;
    for (const work of this.#work) work.abort(drainingError());
    await this.#idleWithin(LAST_WORDS);
  }

  async #idleWithin(milliseconds: number): Promise<void> {
    if (this.#inFlight === 0) return;
    const timer = new AbortController();
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    await Promise.race([idle, sleep(milliseconds, undefined, { signal: timer.signal })]);
    timer.abort();
  }
}
