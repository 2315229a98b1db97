import { ClipBlipError } from "../common/errors.js";
import { isOutOfMemory } from "../native/errors.js";
import { bucketBelow } from "./batch-limit.js";

/** The outcome of one item of a batch. */
export type Outcome<R> = { ok: true; value: R } | { ok: false; error: unknown };

/** The operation that runs the parts of a batch. */
export interface Splittable<Item, R> {
  /** Runs items in one forward pass. If any fails, the promise rejects, after freeing what can be freed. */
  forward(items: Item[]): Promise<R[]>;
  /** Called for each forward pass that ran out of memory. */
  ranOutOfMemory(items: Item[]): void;
}

/**
 * Runs a batch, in smaller parts if memory runs out. Never rejects. Outcomes keep the order of `items`. Part sizes only
 * shrink, from bucket to bucket: n items take at most 2n - 1 forward passes, n that succeed and one failure for each
 * size. An item that does not fit on its own fails on its own; any other error fails the items of its forward pass,
 * which is not retried. `splits` is the number of forward passes that ran out of memory.
 */
export async function runSplitting<Item, R>(
  items: Item[],
  operation: Splittable<Item, R>,
): Promise<{ outcomes: Outcome<R>[]; splits: number }> {
  const outcomes: Outcome<R>[] = [];
  let splits = 0;
  let size = items.length;
  while (outcomes.length < items.length) {
    const part = items.slice(outcomes.length, outcomes.length + size);
    try {
      for (const value of await operation.forward(part)) outcomes.push({ ok: true, value });
    } catch (error) {
      if (!isOutOfMemory(error)) {
        outcomes.push(...part.map(() => ({ ok: false as const, error })));
        continue;
      }
      splits += 1;
      operation.ranOutOfMemory(part);
      if (part.length === 1) outcomes.push({ ok: false, error: doesNotFit(error) });
      else size = bucketBelow(part.length);
    }
  }
  return { outcomes, splits };
}

function doesNotFit({ cause }: ClipBlipError): ClipBlipError {
  // Keep only the native cause: the error's own message is about the whole batch.
  return new ClipBlipError(
    "ERR_OUT_OF_MEMORY",
    "A single item does not fit into the device's memory: raise memoryLimit, free memory on the device, or load the model in a smaller dtype",
    { cause },
  );
}
