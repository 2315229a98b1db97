import { ClipBlipError } from "../common/errors.js";
import { bucketBelow } from "./batch-limit.js";

/** What became of one item of a batch. */
export type Outcome<R> = { ok: true; value: R } | { ok: false; error: unknown };

/** How a batch that may run out of memory is run. */
export interface SplitOptions<Item, R> {
  /** Runs some items as one forward; all succeed or the promise rejects, having freed what can be freed. */
  forward: (items: Item[]) => Promise<R[]>;
  /** Whether an error means that the items did not fit in memory. */
  isOutOfMemory: (error: unknown) => boolean;
  /** Told of each try that ran out of memory. */
  onOutOfMemory: (items: Item[]) => void;
}

/**
 * Runs a batch, in smaller parts where memory runs out. Results keep the order of `items`. The size of the parts only
 * falls, from bucket to bucket: n items take at most 2n - 1 forwards, n that succeed and one that fails for each size.
 * An item that does not fit alone fails alone; any other error fails the items of its forward and is not retried.
 */
export async function runSplitting<Item, R>(items: Item[], options: SplitOptions<Item, R>): Promise<Outcome<R>[]> {
  const outcomes: Outcome<R>[] = [];
  let size = items.length;
  while (outcomes.length < items.length) {
    const part = items.slice(outcomes.length, outcomes.length + size);
    const result = await attempt(part, options.forward);
    if (result.ok) {
      for (const value of result.value) outcomes.push({ ok: true, value });
    } else if (!options.isOutOfMemory(result.error)) {
      for (let item = 0; item < part.length; item++) outcomes.push(result);
    } else {
      options.onOutOfMemory(part);
      if (part.length === 1) outcomes.push({ ok: false, error: doesNotFit(result.error) });
      else size = bucketBelow(part.length);
    }
  }
  return outcomes;
}

async function attempt<Item, R>(part: Item[], forward: (items: Item[]) => Promise<R[]>): Promise<Outcome<R[]>> {
  try {
    return { ok: true, value: await forward(part) };
  } catch (error) {
    return { ok: false, error };
  }
}

function doesNotFit(error: unknown): ClipBlipError {
  // The native text, and not the sentence about the whole batch that came with it.
  const cause = error instanceof ClipBlipError ? error.cause : error;
  return new ClipBlipError(
    "ERR_OUT_OF_MEMORY",
    "One item alone does not fit into the memory of the device: raise memoryLimit, free memory on the device, or load the model in a smaller dtype",
    { cause },
  );
}
