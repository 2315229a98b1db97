import { ClipBlipError } from "../common/errors.js";
import { isOutOfMemory } from "../native/errors.js";
import { bucketBelow } from "./batch-limit.js";

/** What became of one item of a batch. */
export type Outcome<R> = { ok: true; value: R } | { ok: false; error: unknown };

/** What runs the parts of a batch. */
export interface Splittable<Item, R> {
  /** Runs some items as one forward; all succeed or the promise rejects, having freed what can be freed. */
  forward(items: Item[]): Promise<R[]>;
  /** Told of each forward that ran out of memory. */
  ranOutOfMemory(items: Item[]): void;
}

/**
 * Runs a batch, in smaller parts where memory runs out, and never rejects. Outcomes keep the order of `items`. The size
 * of the parts only falls, from bucket to bucket: n items take at most 2n - 1 forwards, n that succeed and one that fails
 * for each size. An item that does not fit alone fails alone; any other error fails the items of its forward and is not
 * retried. `splits`: forwards that ran out of memory.
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
  // The native text, and not the sentence about the whole batch that came with it.
  return new ClipBlipError(
    "ERR_OUT_OF_MEMORY",
    "One item alone does not fit into the memory of the device: raise memoryLimit, free memory on the device, or load the model in a smaller dtype",
    { cause },
  );
}
