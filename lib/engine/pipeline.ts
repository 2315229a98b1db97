import { ClipBlipError } from "../common/errors.js";
import { orderedMap } from "../common/ordered-map.js";
import type { Admission } from "./admission.js";
import type { Batcher, Call } from "./batcher.js";

/** How far a call has come. */
export interface Progress {
  completed: number;
  total: number;
}

/** Options of every call. */
export interface CallOptions {
  /** Aborts the call: it rejects with `signal.reason` and frees its places in the queue. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

/** How a pipeline prepares its inputs. */
export interface Prepared<Input, Item> {
  /** Turns an input into an item of a batch: decoding, resizing, tokenizing. */
  prepare(input: Input, signal: AbortSignal): Promise<Item> | Item;
  /** Maximum number of items of a call that are prepared ahead, which bounds the memory of decoded pictures. */
  window(): number;
}

/** One item's result in a stream: its value or its error. */
export type StreamResult<Input, R> =
  | { index: number; input: Input; value: R }
  | { index: number; input: Input; error: ClipBlipError };

/** Takes the inputs of calls through preparation and batches, and brings the results back in order. */
export class Pipeline<Input, Item, R> {
  readonly #operation: Prepared<Input, Item>;
  readonly #batcher: Batcher<Item, R>;
  readonly #admission: Admission;

  constructor(operation: Prepared<Input, Item>, batcher: Batcher<Item, R>, admission: Admission) {
    this.#operation = operation;
    this.#batcher = batcher;
    this.#admission = admission;
  }

  /** Results in the order of `inputs`; the first item that fails rejects the call with its index. */
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
      // A failure of the caller's function ends the call: nobody else would catch it.
      onProgress?.({ completed, total: inputs.length });
      wake();
    };
    try {
      for (let next = 0; completed < inputs.length; ) {
        const end = Math.min(inputs.length, completed + this.#operation.window());
        // All are announced before the first one starts, so that no batch starts with half of a call.
        if (end > next) call.preparing += end - next;
        for (; next < end; next++) {
          const index = next;
          this.#runItem(inputs[index]!, call, cancel.signal)
            .then((value) => finish(index, value))
            .catch((error) => fail(inputs.length > 1 ? blame(error, index) : error));
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
      // Frees the abort listener, and stops what is still being prepared after a failure.
      cancel.abort();
      this.#admission.leave(inputs.length - completed);
    }
  }

  /** Results one by one in the order of the inputs. An item that fails is a result and not the end. */
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
          return { index, input, error: blame(error, index) };
        } finally {
          if (!cancel.signal.aborted) {
            unfinished -= 1;
            this.#admission.leave(1);
          }
        }
      },
    );
    // Not a race against one promise of the abort: that promise would hold on to every result until the stream ends.
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

  /** Prepares and runs one item that `call.preparing` counts already. */
  async #runItem(input: Input, call: Call, cancelled: AbortSignal): Promise<R> {
    let item: Item;
    try {
      const prepared = this.#operation.prepare(input, cancelled);
      // An item that is ready at once stays synchronous, so that the items of one call meet in one batch.
      item = prepared instanceof Promise ? await prepared : prepared;
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

/** Names the item to blame; errors that concern the whole call (closed, lost device, abort) stay as they are. */
function blame(error: unknown, index: number): ClipBlipError {
  const isOfItem = error instanceof ClipBlipError && ITEM_ERRORS.has(error.code);
  return isOfItem ? error.at(index) : (error as ClipBlipError);
}

const ITEM_ERRORS = new Set([
  "ERR_INVALID_ARGUMENT",
  "ERR_IMAGE_DECODE",
  "ERR_IMAGE_TOO_LARGE",
  "ERR_TEXT_TOO_LONG",
  "ERR_OUT_OF_MEMORY",
]);

/** A copy whose stack shows the call of the user and not the batch that it happened to share. */
function atThisCall(error: unknown): unknown {
  if (!(error instanceof ClipBlipError)) return error;
  return new ClipBlipError(error.code, error.message, { cause: error.cause, index: error.index });
}
