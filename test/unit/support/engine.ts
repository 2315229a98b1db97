import { ClipBlipError } from "../../../lib/common/errors.js";
import type { Batched } from "../../../lib/engine/batcher.js";
import type { DeviceTurns } from "../../../lib/engine/device-queue.js";
import { type BatchResult, Operation, type OperationContext } from "../../../lib/engine/operation.js";
import type { ModuleHandle, RunOptions } from "../../../lib/native/types.js";

/** Turns within one thread, and what they have seen. */
export interface LocalTurns extends DeviceTurns {
  /** Nobody holds the device. */
  free(): boolean;
}

/** Turns that one thread keeps by itself, without the addon. */
export function localTurns(): LocalTurns {
  let held = false;
  let lost: string | undefined;
  const waiting: (() => void)[] = [];
  return {
    tryAcquire() {
      if (held) return false;
      held = true;
      return true;
    },
    acquire: () => new Promise((resolve) => waiting.push(resolve)),
    release() {
      const next = waiting.shift();
      if (next) next();
      else held = false;
    },
    waiting: () => waiting.length,
    lostReason: () => lost,
    markLost(reason) {
      lost ??= reason;
    },
    free: () => !held,
  };
}

/** What a batcher makes batches of two for. */
export function batched<Item, R>(
  operation: Pick<Batched<Item, R>, "forward"> & Partial<Batched<Item, R>>,
): Batched<Item, R> {
  return {
    name: "test",
    device: "fake",
    key: () => "",
    limit: () => 2,
    overlaps: () => false,
    ranOutOfMemory: () => {},
    ...operation,
  };
}

/** What an operation of a test consists of. */
export interface OperationMethods<Item, R> {
  run: (module: ModuleHandle, items: Item[], options: RunOptions) => Promise<BatchResult<R>>;
  sample: () => Item;
  prepare?: (item: Item, signal: AbortSignal) => Promise<Item> | Item;
  key?: (item: Item) => string;
  rows?: (item: Item) => number;
  overlaps?: () => boolean;
}

/** An operation whose inputs are its items. */
export class TestOperation<Item, R> extends Operation<Item, Item, R> {
  readonly name = "test";
  readonly #methods: OperationMethods<Item, R>;

  constructor(context: OperationContext, maxUseful: number, methods: OperationMethods<Item, R>) {
    super(context, maxUseful);
    this.#methods = methods;
  }

  prepare(item: Item, signal: AbortSignal) {
    return this.#methods.prepare?.(item, signal) ?? item;
  }

  key(item: Item) {
    return this.#methods.key?.(item) ?? "";
  }

  override rows(item: Item) {
    return this.#methods.rows?.(item) ?? 1;
  }

  override overlaps() {
    return this.#methods.overlaps?.() ?? false;
  }

  protected run(module: ModuleHandle, items: Item[], options: RunOptions) {
    return this.#methods.run(module, items, options);
  }

  protected sample() {
    return this.#methods.sample();
  }
}

/** Mulberry32: a small seeded generator, so that a failing case can be repeated. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export const outOfMemory = () => new ClipBlipError("ERR_OUT_OF_MEMORY", "does not fit");
