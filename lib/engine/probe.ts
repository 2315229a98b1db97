import { isOutOfMemory } from "../native/errors.js";

/** How the memory of a batch grows with its items: `fixedBytes + items * bytesPerItem`. */
export interface MemoryModel {
  /** Bytes of activations that each further item of a batch adds. */
  bytesPerItem: number;
  /** Bytes that a call needs however small its batch is. */
  fixedBytes: number;
}

/** What a probe needs to measure. */
export interface ProbeOptions {
  /** Runs a batch of `size` items and tells the most bytes it held. Rejects with ERR_OUT_OF_MEMORY when they do not fit. */
  run: (size: number) => Promise<number>;
  /** Bytes that activations may take. */
  budget: number;
  /** The largest batch that is of use; larger ones are never measured. */
  largestUseful: number;
  /** Milliseconds that the probe should not exceed by much, the first run and its lazy initialisation aside. */
  timeBudget: number;
  /** The same while it is plain that memory is not what bounds the batches: a load must not wait for figures. */
  timeBudgetWherePlenty: number;
}

/**
 * The batch that the slope is taken from, with the one of half its size: below 8 items a constant dominates the peak
 * (measured on ViT-B/32).
 */
const MAX_MEASURED = 16;

/** So many times the largest batch of use has to fit, by an estimate that is never too low, for memory to be plenty. */
const PLENTY = 4;

/** One batch that fitted. */
interface Run {
  size: number;
  peak: number;
  milliseconds: number;
}

/** Items that fit into `budget` bytes; at least 1. */
export function fittingItems({ fixedBytes, bytesPerItem }: MemoryModel, budget: number): number {
  return Math.max(1, Math.floor((budget - fixedBytes) / bytesPerItem));
}

/**
 * Measures how a model's activations grow with the batch. Batches are doubled until the slope can be told, memory ends
 * or a forward becomes so slow that the probe would be felt. The slope says what fits into the budget, and one run at
 * that size checks it: always where memory is what bounds the batches, else where there is time.
 */
export async function probeMemory(options: ProbeOptions): Promise<MemoryModel> {
  const { budget, largestUseful } = options;
  const single = await timed(1, options);
  const started = performance.now();
  /** Whether a batch may run yet, by the time that the last one took for an item. */
  const affordable = (size: number) => {
    const plenty = largest.peak * ((PLENTY * largestUseful) / largest.size) <= budget;
    const until = plenty ? options.timeBudgetWherePlenty : options.timeBudget;
    return performance.now() - started + (largest.milliseconds / largest.size) * size <= until;
  };

  let half: Run | undefined;
  let largest = single;
  for (let size = 2; size <= Math.min(MAX_MEASURED, largestUseful); size *= 2) {
    if (size > 2 && !affordable(size)) break;
    const run = await attempt(size, options);
    if (!run) break;
    half = largest;
    largest = run;
  }
  // Two do not fit: what the second one would need is unknown, and more than there is.
  if (!half && largestUseful > 1) return { bytesPerItem: budget, fixedBytes: 0 };

  const model = modelOf(half, largest);
  const fitting = fittingItems(model, budget);
  const size = Math.min(fitting, largestUseful);
  if (size <= largest.size || (fitting > largestUseful && !affordable(size))) return model;
  const seen = await check(size, largest.size, options);
  if (seen === size) return model;
  // The growth is steeper than the slope said: so steep that just what has been seen fits.
  return { ...model, bytesPerItem: Math.ceil((budget - model.fixedBytes) / seen) };
}

/**
 * The line through two runs. Through the largest and the origin where the runs are so small that a constant may hide the
 * growth: that line is never too flat.
 */
function modelOf(half: Run | undefined, { size, peak }: Run): MemoryModel {
  const throughOrigin = Math.max(1, Math.ceil(peak / size));
  if (!half || size < MAX_MEASURED) return { bytesPerItem: throughOrigin, fixedBytes: 0 };
  const bytesPerItem = Math.max(1, Math.ceil((peak - half.peak) / (size - half.size)));
  return { bytesPerItem, fixedBytes: Math.max(0, peak - bytesPerItem * size) };
}

async function timed(size: number, { run }: ProbeOptions): Promise<Run> {
  const started = performance.now();
  const peak = await run(size);
  return { size, peak, milliseconds: performance.now() - started };
}

/** undefined: the batch does not fit. */
async function attempt(size: number, options: ProbeOptions): Promise<Run | undefined> {
  try {
    const run = await timed(size, options);
    return run.peak <= options.budget ? run : undefined;
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    return undefined;
  }
}

/** Runs once at the size found, so that what is promised has been seen; goes down where it does not fit. */
async function check(size: number, alreadySeen: number, options: ProbeOptions): Promise<number> {
  for (let tried = size; tried > alreadySeen; tried = Math.floor(tried * 0.9)) {
    if (await attempt(tried, options)) return tried;
  }
  return alreadySeen;
}
