/**
 * Starts work for the items of an iterable, at most `window` at a time, and yields the results in the order of the
 * items. Items are pulled while results are awaited, so a slow source does not hold back results that are there.
 * `start` must not reject.
 */
export async function* orderedMap<T, R>(
  source: Iterable<T> | AsyncIterable<T>,
  window: () => number,
  start: (item: T, index: number) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : (source as Iterable<T>)[Symbol.iterator]();
  const inFlight: Promise<R>[] = [];
  let pulling: Promise<IteratorResult<T>> | undefined;
  let ended = false;
  let index = 0;
  try {
    for (;;) {
      while (!ended && inFlight.length < window()) {
        pulling ??= Promise.resolve(iterator.next());
        const oldest = inFlight[0];
        const first = oldest ? await Promise.race([pulling, oldest.then(() => undefined)]) : await pulling;
        if (!first) break;
        pulling = undefined;
        if (first.done) ended = true;
        else inFlight.push(start(first.value, index++));
      }
      const oldest = inFlight.shift();
      if (oldest) yield await oldest;
      else if (ended) return;
    }
  } finally {
    // The consumer may have left early: tell the source, and do not wait for a pull that may never end.
    pulling?.catch(() => {});
    if (!ended) void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}
