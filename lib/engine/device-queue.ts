import type { ClipBlipError } from "../errors.js";

/** Who may use a device: one holder at a time, the others in the order in which they came. */
export interface DeviceTurns {
  /** Takes the device where nobody holds it; false: it is held. */
  tryAcquire(): boolean;
  /** Resolves when the device is the caller's. */
  acquire(): Promise<void>;
  release(): void;
}

/**
 * The calls of this thread on one device. A device is used by one call at a time, in the whole process: a waiting call
 * is an entry in a list and holds no thread, so that libuv's pool always has threads left for files, DNS and decoding.
 */
export class DeviceQueue {
  /** Set for good once the device has failed in a manner that no retry can mend. */
  lost: ClipBlipError | undefined;
  readonly #turns: DeviceTurns;
  #waiting = 0;

  constructor(turns: DeviceTurns) {
    this.#turns = turns;
  }

  /** Calls of this thread that wait for a turn. */
  get length(): number {
    return this.#waiting;
  }

  /** Runs `work` when the device is free: first come, first served. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#turns.tryAcquire()) {
      this.#waiting += 1;
      await this.#turns.acquire();
      this.#waiting -= 1;
    }
    try {
      return await work();
    } finally {
      this.#turns.release();
    }
  }
}
