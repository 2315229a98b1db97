import type { ClipBlipError } from "../common/errors.js";
import { deviceLost } from "../native/errors.js";
import type { NativeBinding } from "../native/types.js";

/** Who may use a device: one holder at a time, the others in the order in which they came. */
export interface DeviceTurns {
  /** Takes the device if nobody holds it; false if somebody does. */
  tryAcquire(): boolean;
  /** Resolves when the device is the caller's. */
  acquire(): Promise<void>;
  release(): void;
  /** Number of waiters for a turn, in all threads. */
  waiting(): number;
  /** Why the device has failed for good; undefined while it can be used. */
  lostReason(): string | undefined;
  /** Tells all threads that the device has failed for good. */
  markLost(reason: string): void;
}

/**
 * The calls of this thread on one device. A device is used by one call at a time, in the whole process: a waiting call
 * is an entry in a list and holds no thread, so that libuv's pool always has threads left for files, DNS and decoding.
 */
export class DeviceQueue {
  readonly #turns: DeviceTurns;

  constructor(turns: DeviceTurns) {
    this.#turns = turns;
  }

  /** The error of every call once the device has failed for good. */
  get lost(): ClipBlipError | undefined {
    const reason = this.#turns.lostReason();
    return reason === undefined ? undefined : deviceLost(reason);
  }

  /** Number of waiters for a turn, in all threads. */
  get waiting(): number {
    return this.#turns.waiting();
  }

  /** Tells every model and every thread of the process that the device has failed for good. */
  markLost(reason: string): void {
    this.#turns.markLost(reason);
  }

  /** Resolves when the device is the caller's, first come, first served; `release` ends the turn. */
  acquire(): Promise<void> {
    return this.#turns.acquire();
  }

  /** Takes a turn at once if nobody has the device; false if somebody does. */
  tryAcquire(): boolean {
    return this.#turns.tryAcquire();
  }

  /** Ends the turn, and the next in line gets the device. */
  release(): void {
    this.#turns.release();
  }

  /** Runs `work` in a turn of its own. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (!this.tryAcquire()) await this.acquire();
    try {
      return await work();
    } finally {
      this.release();
    }
  }
}

const queues = new Map<string, DeviceQueue>();

/** The one queue of a device in this thread; the turns come from the addon, which every thread of the process shares. */
export function deviceQueue(binding: NativeBinding, device: string): DeviceQueue {
  let queue = queues.get(device);
  if (!queue) {
    queue = new DeviceQueue({
      tryAcquire: () => binding.tryAcquireDevice(device),
      acquire: () => binding.acquireDevice(device),
      release: () => binding.releaseDevice(device),
      waiting: () => binding.waitingForDevice(device),
      lostReason: () => binding.lostReason(device),
      markLost: (reason) => binding.markDeviceLost(device, reason),
    });
    queues.set(device, queue);
  }
  return queue;
}
