/**
 * `work`, or a rejection with `signal.reason` as soon as the signal aborts. What runs in native code cannot be stopped:
 * it ends by itself and its result is dropped.
 */
export async function orAbort<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort!);
    // Where the race is lost, a failure of the work is nobody's to handle.
    work.catch(() => {});
  }
}
