import { isOutOfMemory } from "../native/errors.js";

/** How a batch's memory grows with its items: `fixedBytes + items * bytesPerItem`. */
export interface MemoryModel {
  /** Bytes of activations for each item in a batch. */
  bytesPerItem: number;
  /** Bytes that a call needs regardless of its batch size. */
  fixedBytes: number;
}

/** Options of a probe. */
export interface ProbeOptions {
  /**
   * Runs a batch of `size` items and returns its peak memory in bytes. Rejects with ERR_OUT_OF_MEMORY if it does not
   * fit.
   */
  run: (size: number) => Promise<number>;
  /** Bytes that activations may use. */
  budget: number;
  /** The largest useful batch; larger ones are not measured. */
  largestUseful: number;
  /** Approximate time limit in milliseconds, not counting the first run and its lazy initialization. */
  timeBudget: number;
  /** The same while memory clearly does not limit the batches: loading must not wait for exact figures. */
  timeBudgetWherePlenty: number;
}

/**
 * The slope is taken from this batch size and half of it: below 8 items, a constant dominates the peak (measured on
 * ViT-B/32).
 */
const MAX_MEASURED = 16;

/**
 * Memory counts as plentiful if the largest useful batch fits this many times, by an estimate that is never too low.
 */
const PLENTY = 4;

/** A batch that fitted. */
interface Run {
  size: number;
  peak: number;
  milliseconds: number;
}

/** Number of items that fit into `budget` bytes; at least 1. */
export function fittingItems({ fixedBytes, bytesPerItem }: MemoryModel, budget: number): number {
  return Math.max(1, Math.floor((budget - fixedBytes) / bytesPerItem));
}

/**
 * Measures how a model's activations grow with the batch size. Doubles the batch until the slope is known, memory runs
 * out, or a run becomes so slow that users would notice. The slope gives the size that fits into the budget; one run at
 * that size checks it, always if memory limits the batches, otherwise if there is time.
 */
export async function probeMemory(options: ProbeOptions): Promise<MemoryModel> {
  const { budget, largestUseful } = options;
  const single = await timed(1, options);
  const started = performance.now();
  /** Whether there is time for a batch, judging by the last one's time for each item. */
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
  // Two items do not fit: the second one's need is unknown, but more than is available.
  if (!half && largestUseful > 1) return { bytesPerItem: budget, fixedBytes: 0 };

  const model = modelOf(half, largest);
  const fitting = fittingItems(model, budget);
  const size = Math.min(fitting, largestUseful);
  if (size <= largest.size || (fitting > largestUseful && !affordable(size))) return model;
  const seen = await check(size, largest.size, options);
  if (seen === size) return model;
  // Memory grows faster than the slope: choose a slope with which only the size that was seen fits.
  return { ...model, bytesPerItem: Math.ceil((budget - model.fixedBytes) / seen) };
}

/**
 * The line through two runs; for small runs, where a constant may hide the growth, the line through the origin and the
 * largest run, which is never too flat.
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

/** Undefined if the batch does not fit. */
async function attempt(size: number, options: ProbeOptions): Promise<Run | undefined> {
  try {
    const run = await timed(size, options);
    return run.peak <= options.budget ? run : undefined;
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    return undefined;
  }
}

/** Runs once at the size found, so that the promised size has been tested; tries smaller ones if it does not fit. */
async function check(size: number, alreadySeen: number, options: ProbeOptions): Promise<number> {
  for (let tried = size; tried > alreadySeen; tried = Math.floor(tried * 0.9)) {
    if (await attempt(tried, options)) return tried;
  }
  return alreadySeen;
}
