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
    // If the signal came first, nobody handles a failure of the work.
    work.catch(() => {});
  }
}
