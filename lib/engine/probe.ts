/** What a probe found out about one model on one device. */
export interface MemoryModel {
  /** Bytes of activations that each further item of a batch adds. */
  bytesPerItem: number;
  /** Bytes that a call needs however small its batch is. */
  fixedBytes: number;
  /** Items that fit into the budget. */
  safeBatchSize: number;
}

/** What a probe needs to measure. */
export interface ProbeOptions {
  /** Runs a batch of `size` items and tells the most bytes it held. Rejects when they do not fit. */
  run: (size: number) => Promise<number>;
  /** Whether a rejection of `run` means that the items did not fit. */
  isOutOfMemory: (error: unknown) => boolean;
  /** Bytes that activations may take. */
  budget: number;
  /** The largest batch that is of use; larger ones are never measured. */
  largestUseful: number;
  /** Milliseconds that the probe should not exceed by much; it measures smaller batches where a forward is slow. */
  timeBudget: number;
}

/** Below 8 items a constant dominates the peak (measured on ViT-B/32), so the slope is taken from 8 and more. */
const SIZES = [8, 16] as const;

/**
 * Measures how a model's activations grow with the batch: two sizes give the slope, the slope gives the batch that
 * fits into the budget, and one run at that size checks it (where it is larger than what was measured).
 */
export async function probeMemory(options: ProbeOptions): Promise<MemoryModel> {
  const single = await measureSingle(options);
  const affordable = options.timeBudget / single.milliseconds;
  const measured =
    affordable >= SIZES[0] + SIZES[1]
      ? await measureTwo(SIZES, options)
      : // Where a forward is so slow that the probe would be felt. The slope from 1 to 2 is too large, so it errs safely.
        await measureLarger({ small: 1, large: 2, smallPeak: single.peak }, options);
  if (!measured) return { bytesPerItem: options.budget, fixedBytes: 0, safeBatchSize: 1 };
  const growth = (measured.largePeak - measured.smallPeak) / (measured.large - measured.small);
  const bytesPerItem = Math.max(1, Math.ceil(growth));
  const fixedBytes = Math.max(0, measured.smallPeak - bytesPerItem * measured.small);
  const fitting = Math.max(1, Math.floor((options.budget - fixedBytes) / bytesPerItem));
  const largestChecked = Math.floor(Math.min(fitting, options.largestUseful, Math.max(affordable, measured.large)));
  const seen = await check(largestChecked, measured.large, options);
  return { bytesPerItem, fixedBytes, safeBatchSize: seen < largestChecked ? seen : fitting };
}

/** Peak and time of a batch of one. The first run pays for lazy initialisation; a second one tells its time truly. */
async function measureSingle({ run, timeBudget }: ProbeOptions): Promise<{ peak: number; milliseconds: number }> {
  const timed = async () => {
    const started = performance.now();
    const peak = await run(1);
    return { peak, milliseconds: performance.now() - started };
  };
  const first = await timed();
  return first.milliseconds > timeBudget / 4 ? first : timed();
}

interface SmallPeak {
  small: number;
  large: number;
  smallPeak: number;
}

interface TwoPeaks extends SmallPeak {
  largePeak: number;
}

/** Peaks at two sizes, halved until both fit; undefined where only single items do. */
async function measureTwo(sizes: readonly [number, number], options: ProbeOptions): Promise<TwoPeaks | undefined> {
  let [small, large] = sizes;
  for (; small >= 1; small = Math.floor(small / 2), large = Math.floor(large / 2)) {
    try {
      const measured = await measureLarger({ small, large, smallPeak: await options.run(small) }, options);
      if (measured) return measured;
    } catch (error) {
      if (!options.isOutOfMemory(error)) throw error;
    }
  }
  return undefined;
}

/** Adds the peak of the larger size; undefined where it does not fit. */
async function measureLarger(peak: SmallPeak, { run, isOutOfMemory }: ProbeOptions): Promise<TwoPeaks | undefined> {
  try {
    return { ...peak, largePeak: await run(peak.large) };
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    return undefined;
  }
}

/** Runs once at the size found, so that what is promised has been seen; goes down where it does not fit. */
async function check(size: number, alreadySeen: number, options: ProbeOptions): Promise<number> {
  for (let tried = size; tried > alreadySeen; tried = Math.floor(tried * 0.9)) {
    try {
      if ((await options.run(tried)) <= options.budget) return tried;
    } catch (error) {
      if (!options.isOutOfMemory(error)) throw error;
    }
  }
  return Math.min(size, alreadySeen);
}
