import { ClipBlipError } from "../errors.js";

/** What became of one item of a batch. */
export type Outcome<R> = { ok: true; value: R } | { ok: false; error: unknown };

/** How a batch that may run out of memory is run. */
export interface SplitOptions<Item, R> {
  /** Runs some items as one forward; all succeed or the promise rejects. */
  forward: (items: Item[]) => Promise<R[]>;
  /** Whether an error means that the items did not fit in memory. */
  isOutOfMemory: (error: unknown) => boolean;
  /** Called before a smaller try: frees what can be freed, and learns that `size` items did not fit. */
  onOutOfMemory: (size: number) => void | Promise<void>;
}

/**
 * Runs a batch, halving it where memory runs out. Results keep the order of `items`. At most 2n - 1 forwards for n
 * items: a binary tree with n leaves has no more nodes. An item that does not fit alone fails alone; every other
 * error fails the items of its forward and is not retried.
 */
export async function runSplitting<Item, R>(items: Item[], options: SplitOptions<Item, R>): Promise<Outcome<R>[]> {
  let failure: unknown;
  try {
    const values = await options.forward(items);
    return values.map((value) => ({ ok: true, value }));
  } catch (error) {
    failure = error;
  }
  // Out of the catch block on purpose: nothing of the failed try is held while memory is freed for the next.
  if (!options.isOutOfMemory(failure)) return items.map(() => ({ ok: false, error: failure }));
  await options.onOutOfMemory(items.length);
  if (items.length === 1) return [{ ok: false, error: doesNotFit(failure) }];
  const half = Math.ceil(items.length / 2);
  const first = await runSplitting(items.slice(0, half), options);
  const second = await runSplitting(items.slice(half), options);
  return first.concat(second);
}

function doesNotFit(cause: unknown): ClipBlipError {
  return new ClipBlipError(
    "ERR_OUT_OF_MEMORY",
    "One item alone does not fit into the memory of the device: raise memoryLimit, free memory on the device, or load the model in a smaller dtype",
    { cause },
  );
}
