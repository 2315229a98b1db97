import { once } from "node:events";
import type { Writable } from "node:stream";
import type { Outcome } from "../outcome.js";
import type { RecordFormat, ResultWriter } from "./writer.js";

/** Writes results to a stream, at the speed of its reader. */
export class RecordStream<V extends object> implements ResultWriter<V> {
  readonly done: ReadonlySet<string> = new Set();
  readonly #stream: Writable;
  readonly #format: RecordFormat<V>;
  #started = false;
  #closed = false;

  constructor(stream: Writable, format: RecordFormat<V>) {
    this.#stream = stream;
    this.#format = format;
  }

  async write(outcome: Outcome<V>): Promise<void> {
    await this.#send(await this.#format.encode(outcome));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#send(this.#format.footer);
    this.#closed = true;
  }

  async #send(text: string): Promise<void> {
    if (this.#closed || this.#stream.destroyed) return;
    const all = this.#started ? text : this.#format.header + text;
    this.#started = true;
    // If the reader is gone, the stream is closed and never drained.
    if (all && !this.#stream.write(all)) await Promise.race([once(this.#stream, "drain"), once(this.#stream, "close")]);
  }
}
