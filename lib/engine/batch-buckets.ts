/**
 * The sizes of batches that a device is prepared for: powers of two, and on top the largest batch. A batch that memory
 * cuts down goes from one to the one below, so that few shapes are ever met. A batch that has fewer items because no
 * more are there runs as it is: nothing is filled up.
 */

/** The buckets up to `largest`, in ascending order; the last one is `largest` itself. */
export function batchBuckets(largest: number): number[] {
  const buckets: number[] = [];
  for (let size = 1; size < largest; size *= 2) buckets.push(size);
  return [...buckets, largest];
}

/** The bucket below a batch of `size`, whether that is a bucket itself or not; 1 below 1. */
export function bucketBelow(size: number): number {
  return batchBuckets(size).at(-2) ?? 1;
}

/** The bucket above a batch of `size`, of those up to `largest`. */
export function bucketAbove(size: number, largest: number): number {
  return batchBuckets(largest).find((bucket) => bucket > size) ?? largest;
}
