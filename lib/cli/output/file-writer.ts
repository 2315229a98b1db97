import type { Outcome } from "../outcome.js";
import type { ResultWriter } from "./writer.js";

/** A writer to files: results are appended one after the other, and none after it has been closed. */
export abstract class FileWriter<V extends object> implements ResultWriter<V> {
  abstract readonly done: ReadonlySet<string>;
  #pending: Promise<void> = Promise.resolve();
  #closed = false;

  write(outcome: Outcome<V>): Promise<void> {
    const written = this.#pending.then(() => (this.#closed ? undefined : this.append(outcome)));
    this.#pending = written.catch(() => {});
    return written;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pending;
    await this.finish();
  }

  protected abstract append(outcome: Outcome<V>): Promise<void>;

  /** Closes what is open; nothing is appended any more. */
  protected abstract finish(): Promise<void>;
}
