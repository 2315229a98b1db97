import type { ClipBlipError } from "../errors.js";

/**
 * Turns on one device. A device is used by one call at a time: a waiting call is an entry in this list and holds no
 * thread, so that the pool always has threads left for files, DNS and image decoding.
 */
export class DeviceQueue {
  /** Set for good once the device has failed in a manner that no retry can mend. */
  lost: ClipBlipError | undefined;
  #busy = false;
  readonly #waiting: (() => void)[] = [];

  /** Calls that wait for a turn. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Runs `work` when the device is free: first come, first served. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy) await new Promise<void>((turn) => this.#waiting.push(turn));
    this.#busy = true;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // The device stays busy between two holders, so that nobody who comes in between can overtake.
      if (next) next();
      else this.#busy = false;
    }
  }
}

const queues = new Map<string, DeviceQueue>();

/** The one queue of a device, shared by every model on it. */
export function deviceQueue(device: string): DeviceQueue {
  let queue = queues.get(device);
  if (!queue) {
    queue = new DeviceQueue();
    queues.set(device, queue);
  }
  return queue;
}
