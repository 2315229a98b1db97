import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyReply } from "fastify";
import { drainingError } from "./errors.js";

/** Milliseconds for requests to answer after their work was aborted. */
const LAST_WORDS = 500;

/** Shuts a service down: takes no new work, lets running work finish, and aborts what does not finish in time. */
export class Lifecycle {
  /** Of running work. A set, and not AbortSignal.any of one signal, which would keep some memory for each request. */
  readonly #work = new Set<AbortController>();
  #draining = false;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  /** Whether new work is refused. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Has `work` aborted when the time to finish is over. Returns a function that takes this back. */
  track(work: AbortController): () => void {
    this.#work.add(work);
    return () => this.#work.delete(work);
  }

  /** Called when a request begins. */
  enter(): void {
    this.#inFlight += 1;
  }

  /** Called when a request was answered, or its client has disconnected. */
  leave(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  /** Resolves when all requests have ended. After `deadline` milliseconds it aborts them, and resolves soon after. */
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

/** Calls `done` when a response has been sent completely, or its client has disconnected. */
export function onEnd({ raw }: FastifyReply, done: (answered: boolean) => void): void {
  // Not the request's "close", which is emitted as soon as its body has been read.
  raw.once("close", () => done(raw.writableFinished));
}
