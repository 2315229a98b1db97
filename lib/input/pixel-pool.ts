/**
 * Copies of pictures of one size, in memory that is reused: getting fresh pages and collecting them takes longer than the
 * copy itself.
 */
export class PixelPool {
  /** Weak: what is not in use goes with the next full collection. */
  #free = new WeakRef<Uint8Array[]>([]);
  readonly #lent = new WeakSet<Uint8Array>();

  /** `bytes` in memory that nobody else writes to. All of one pool are of one length. */
  copy(bytes: Uint8Array): Uint8Array {
    const free = this.#free.deref()?.pop();
    free?.set(bytes);
    const copy = free ?? new Uint8Array(bytes);
    this.#lent.add(copy);
    return copy;
  }

  /** Takes back those of `arrays` that came from here; nobody may read them any more. */
  giveBack(arrays: readonly Uint8Array[]): void {
    let free = this.#free.deref();
    if (!free) {
      free = [];
      this.#free = new WeakRef(free);
    }
    for (const array of arrays) if (this.#lent.delete(array)) free.push(array);
  }
}
