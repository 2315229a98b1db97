import { ClipBlipError } from "../common/errors.js";
import { orderedMap } from "../common/ordered-map.js";
import type { Admission } from "./admission.js";
import type { Batcher, Call } from "./batcher.js";

/** How far a call has come. */
export interface Progress {
  completed: number;
  total: number;
}

/** What a call may be given beside its input. */
export interface CallOptions {
  /** Rejects the call with `signal.reason` and frees its places in the queue. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

/** What the pipeline of one operation is made of. */
export interface PipelineOptions<Input, Item, R> {
  /** Turns an input into an item of a batch: decoding, resizing, tokenizing. */
  prepare: (input: Input, signal: AbortSignal) => Promise<Item> | Item;
  batcher: Batcher<Item, R>;
  admission: Admission;
  /** Items of one call that are prepared ahead of the device at most; bounds the memory of decoded pictures. */
  window: () => number;
}

/** One item's result in a stream: its value, or what went wrong with it alone. */
export type StreamResult<Input, R> =
  | { index: number; input: Input; value: R }
  | { index: number; input: Input; error: ClipBlipError };

/** Takes the inputs of calls through preparation and batches, and brings the results back in order. */
export class Pipeline<Input, Item, R> {
  readonly #options: PipelineOptions<Input, Item, R>;

  constructor(options: PipelineOptions<Input, Item, R>) {
    this.#options = options;
  }

  /** Results in the order of `inputs`; the first item that fails rejects the call with its index. */
  async map(inputs: readonly Input[], { signal, onProgress }: CallOptions = {}): Promise<R[]> {
    signal?.throwIfAborted();
    if (inputs.length === 0) return [];
    const { admission, batcher } = this.#options;
    admission.enter(inputs.length);
    const call: Call = { preparing: 0 };
    const cancel = new AbortController();
    const results = new Array<R>(inputs.length);
    let completed = 0;
    try {
      await new Promise<void>((resolve, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true, signal: cancel.signal });
        let next = 0;
        const startMore = () => {
          const end = Math.min(inputs.length, completed + this.#options.window());
          // All of them are announced before the first one starts: a batch must not start with half of a call.
          if (end > next) call.preparing += end - next;
          while (next < end) void runOne(next++);
        };
        const runOne = async (index: number) => {
          try {
            results[index] = await this.#runItem(inputs[index]!, call, cancel.signal);
          } catch (error) {
            reject(blame(error, inputs.length > 1 ? index : undefined));
            return;
          }
          if (cancel.signal.aborted) return;
          completed += 1;
          admission.leave(1);
          try {
            onProgress?.({ completed, total: inputs.length });
          } catch (error) {
            // The caller's own failure ends the caller's own call; nobody else would catch it.
            reject(error);
            return;
          }
          if (completed === inputs.length) resolve();
          else startMore();
        };
        startMore();
      });
      return results;
    } catch (error) {
      batcher.cancel(call, error);
      throw atThisCall(error);
    } finally {
      // Frees the abort listener, and stops what is still being prepared after a failure.
      cancel.abort();
      admission.leave(inputs.length - completed);
    }
  }

  /** Results one by one in the order of the inputs; an item that fails is a result, not the end. */
  async *stream(
    source: Iterable<Input> | AsyncIterable<Input>,
    { signal }: Pick<CallOptions, "signal"> = {},
  ): AsyncGenerator<StreamResult<Input, R>, void, undefined> {
    signal?.throwIfAborted();
    const { admission, batcher, window } = this.#options;
    const call: Call = { preparing: 0 };
    const cancel = new AbortController();
    let unfinished = 0;
    const results = orderedMap(source, window, async (input, index): Promise<StreamResult<Input, R>> => {
      admission.enterUnchecked(1);
      unfinished += 1;
      call.preparing += 1;
      try {
        return { index, input, value: await this.#runItem(input, call, cancel.signal) };
      } catch (error) {
        return { index, input, error: blame(error, index) };
      } finally {
        if (!cancel.signal.aborted) {
          unfinished -= 1;
          admission.leave(1);
        }
      }
    });
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
      admission.leave(unfinished);
      batcher.cancel(call, new ClipBlipError("ERR_CLOSED", "The stream was left before its end"));
      void results.return();
    }
  }

  /** Prepares and runs one item that `call.preparing` counts already. */
  async #runItem(input: Input, call: Call, cancelled: AbortSignal): Promise<R> {
    const { prepare, batcher } = this.#options;
    let item: Item;
    try {
      const prepared = prepare(input, cancelled);
      // An item that is ready at once stays synchronous, so that the items of one call meet in one batch.
      item = prepared instanceof Promise ? await prepared : prepared;
      cancelled.throwIfAborted();
    } catch (error) {
      call.preparing -= 1;
      batcher.poke();
      throw error;
    }
    call.preparing -= 1;
    return batcher.submit(item, call);
  }
}

/** Names the item to blame; errors that concern the whole call (closed, lost device, abort) stay as they are. */
function blame(error: unknown, index: number | undefined): ClipBlipError {
  if (!(error instanceof ClipBlipError) || index === undefined || !ITEM_ERRORS.has(error.code)) {
    return error as ClipBlipError;
  }
  return error.at(index);
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
