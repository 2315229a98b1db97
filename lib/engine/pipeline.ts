import { types } from "node:util";
import { ClipBlipError } from "../common/errors.js";
import { orderedMap } from "../common/ordered-map.js";
import type { Admission } from "./admission.js";
import type { Batcher, Call } from "./batcher.js";

/** Progress of a call, in items. */
export interface Progress {
  completed: number;
  total: number;
}

/** Options of every call. */
export interface CallOptions {
  /**
   * Cancels the call: it rejects with `signal.reason` and frees its places in the queue.
   * @example
   * ```ts
   * const embeddings = await clip.encodeImages(images, { signal: AbortSignal.timeout(10_000) });
   * ```
   */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** The operation that a pipeline prepares inputs for. */
export interface Prepared<Input, Item> {
  /** Turns an input into an item of a batch: decodes, resizes, tokenizes. */
  prepare(input: Input, signal: AbortSignal): Promise<Item> | Item;
  /** Maximum number of items of a call that are prepared ahead of the device; bounds the memory of decoded pictures. */
  window(): number;
}

/** The result of one item of a stream: its value or its error. */
export type StreamResult<Input, R> =
  | { index: number; input: Input; value: R }
  | { index: number; input: Input; error: ClipBlipError };

/** Takes inputs through preparation and batching, and returns the results in order. */
export class Pipeline<Input, Item, R> {
  readonly #operation: Prepared<Input, Item>;
  readonly #batcher: Batcher<Item, R>;
  readonly #admission: Admission;

  constructor(operation: Prepared<Input, Item>, batcher: Batcher<Item, R>, admission: Admission) {
    this.#operation = operation;
    this.#batcher = batcher;
    this.#admission = admission;
  }

  /**
   * Returns results in the order of `inputs`. The first item that fails rejects the call with an error that has its
   * index.
   */
  async map(inputs: readonly Input[], { signal, onProgress }: CallOptions = {}): Promise<R[]> {
    signal?.throwIfAborted();
    if (inputs.length === 0) return [];
    this.#admission.enter(inputs.length);
    const call: Call = { preparing: 0 };
    const cancel = new AbortController();
    const results = new Array<R>(inputs.length);
    let completed = 0;
    const failures: unknown[] = [];
    let wake = () => {};
    const fail = (error: unknown) => {
      failures.push(error);
      wake();
    };
    signal?.addEventListener("abort", () => fail(signal.reason), { once: true, signal: cancel.signal });
    const finish = (index: number, value: R) => {
      if (cancel.signal.aborted) return;
      results[index] = value;
      completed += 1;
      this.#admission.leave(1);
      // If the caller's callback throws, the caller's call rejects; nobody else would catch the error.
      onProgress?.({ completed, total: inputs.length });
      wake();
    };
    try {
      for (let next = 0; completed < inputs.length; ) {
        const end = Math.min(inputs.length, completed + this.#operation.window());
        // Count all of them before the first one starts: a batch must not start with half of a call.
        if (end > next) call.preparing += end - next;
        for (; next < end; next++) {
          const index = next;
          this.#runItem(inputs[index]!, call, cancel.signal)
            .then((value) => finish(index, value))
            .catch((error) => fail(blame(error, index, inputs.length)));
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        if (failures.length > 0) throw failures[0];
      }
      return results;
    } catch (error) {
      this.#batcher.cancel(call, error);
      throw atThisCall(error);
    } finally {
      // Removes the abort listener, and stops items that are still being prepared after a failure.
      cancel.abort();
      this.#admission.leave(inputs.length - completed);
    }
  }

  /**
   * Yields results in the order of the inputs. An item that fails yields a result with an error and does not end the
   * stream.
   */
  async *stream(
    source: Iterable<Input> | AsyncIterable<Input>,
    { signal }: Pick<CallOptions, "signal"> = {},
  ): AsyncGenerator<StreamResult<Input, R>, void, undefined> {
    signal?.throwIfAborted();
    const call: Call = { preparing: 0 };
    const cancel = new AbortController();
    let unfinished = 0;
    const results = orderedMap(
      source,
      () => this.#operation.window(),
      async (input, index): Promise<StreamResult<Input, R>> => {
        this.#admission.enterUnchecked(1);
        unfinished += 1;
        call.preparing += 1;
        try {
          return { index, input, value: await this.#runItem(input, call, cancel.signal) };
        } catch (error) {
          // The result has its index and input beside the error: the message need not say which.
          return { index, input, error: blame(error, index, 1) };
        } finally {
          if (!cancel.signal.aborted) {
            unfinished -= 1;
            this.#admission.leave(1);
          }
        }
      },
    );
    // No Promise.race against a single abort promise: it would keep every result alive until the stream ends.
    let interrupt = (_reason: unknown) => {};
    signal?.addEventListener("abort", () => interrupt(signal.reason), { once: true, signal: cancel.signal });
    try {
      for (;;) {
        signal?.throwIfAborted();
        const next = await new Promise<IteratorResult<StreamResult<Input, R>, void>>((resolve, reject) => {
          interrupt = reject;
          results.next().then(resolve, reject);
        });
        if (next.done) return;
        yield next.value;
      }
    } finally {
      cancel.abort();
      this.#admission.leave(unfinished);
      this.#batcher.cancel(call, new ClipBlipError("ERR_CLOSED", "The stream was closed before its end"));
      void results.return();
    }
  }

  /** Prepares and runs one item that `call.preparing` already counts. */
  async #runItem(input: Input, call: Call, cancelled: AbortSignal): Promise<R> {
    let item: Item;
    try {
      const prepared = this.#operation.prepare(input, cancelled);
      // Do not await an item that is ready, so that the items of one call meet in one batch.
      item = types.isPromise(prepared) ? await prepared : prepared;
      cancelled.throwIfAborted();
    } catch (error) {
      call.preparing -= 1;
      void this.#batcher.poke();
      throw error;
    }
    call.preparing -= 1;
    return this.#batcher.submit(item, call);
  }
}

/** Adds the item's index to its error; errors of the whole call (closed, lost device, abort) stay as they are. */
function blame(error: unknown, index: number, items: number): ClipBlipError {
  if (!(error instanceof ClipBlipError) || !ITEM_ERRORS.has(error.code)) return error as ClipBlipError;
  if (items > 1) return error.at(index);
  // The message of a call with one item, or of a result that has its index beside it, need not say which.
  return new ClipBlipError(error.code, error.message, { cause: error.cause, index });
}

const ITEM_ERRORS = new Set([
  "ERR_INVALID_ARGUMENT",
  "ERR_IMAGE_DECODE",
  "ERR_IMAGE_NOT_FOUND",
  "ERR_IMAGE_TOO_LARGE",
  "ERR_TEXT_TOO_LONG",
  "ERR_OUT_OF_MEMORY",
]);

/** A copy whose stack shows the user's call instead of the batch that it shared. */
function atThisCall(error: unknown): unknown {
  if (!(error instanceof ClipBlipError)) return error;
  return new ClipBlipError(error.code, error.message, { cause: error.cause, index: error.index });
}
