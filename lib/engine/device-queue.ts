import type { ClipBlipError } from "../common/errors.js";
import { deviceLost } from "../native/errors.js";
import type { NativeBinding } from "../native/types.js";

/** Grants a device to one holder at a time, first come, first served. */
export interface DeviceTurns {
  /** Takes the device if it is free; returns false if it is not. */
  tryAcquire(): boolean;
  /** Resolves when the caller holds the device. */
  acquire(): Promise<void>;
  release(): void;
  /** Number of waiters for a turn, in all threads. */
  waiting(): number;
  /** Why the device has failed for good; undefined while it can be used. */
  lostReason(): string | undefined;
  /** Marks the device as failed for good, in all threads. */
  markLost(reason: string): void;
}

/**
 * The queue of this thread's calls on one device. The whole process runs one call at a time on a device. A waiting call
 * is a list entry and does not hold a thread, so libuv's pool keeps threads for files, DNS and decoding.
 */
export class DeviceQueue {
  readonly #turns: DeviceTurns;

  constructor(turns: DeviceTurns) {
    this.#turns = turns;
  }

  /** The error that every call rejects with once the device has failed for good; otherwise undefined. */
  get lost(): ClipBlipError | undefined {
    const reason = this.#turns.lostReason();
    return reason === undefined ? undefined : deviceLost(reason);
  }

  /** Number of waiters for a turn, in all threads. */
  get waiting(): number {
    return this.#turns.waiting();
  }

  /** Marks the device as failed for good, for every model and thread of the process. */
  markLost(reason: string): void {
    this.#turns.markLost(reason);
  }

  /** Resolves when the caller holds the device, first come, first served; `release` ends the turn. */
  acquire(): Promise<void> {
    return this.#turns.acquire();
  }

  /** Takes a turn if the device is free; returns false if it is not. */
  tryAcquire(): boolean {
    return this.#turns.tryAcquire();
  }

  /** Ends the turn; the next in line gets the device. */
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

/** The queue of a device in this thread. The turns are managed by the addon, for all threads of the process. */
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
