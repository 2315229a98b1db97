import { ClipBlipError } from "../errors.js";
import type { ModuleHandle, NativeBinding, RunOptions } from "../native/types.js";
import type { DeviceQueue } from "./device-queue.js";
import { fromNative } from "./native-error.js";

/** When the allocator's cache goes back to the device. */
export type CacheRelease = "after-call" | "when-idle" | "on-out-of-memory";

/** What a model's weights need to come, stay and go. */
export interface HostOptions {
  native: NativeBinding;
  /** "cpu", "cuda:0", … */
  device: string;
  queue: DeviceQueue;
  /** Loads the weights onto the device; called again when a call meets an unloaded model. */
  load: () => Promise<ModuleHandle>;
  releaseCache: CacheRelease;
  /** Milliseconds without a call after which the weights leave the device. */
  idleUnload?: number;
}

export type HostState = "loaded" | "unloaded" | "closed";

/** The life of one model's weights on one device. Every use happens within a turn of the device's queue. */
export class ModelHost {
  /** Bytes of activations that one call may hold. */
  memoryLimit: number;
  readonly #options: HostOptions;
  #module: ModuleHandle | undefined;
  #closed = false;
  #idleTimer: NodeJS.Timeout | undefined;
  /** Calls so far: an idle unload that had to wait for its turn sees whether it is still wanted. */
  #calls = 0;

  constructor(options: HostOptions, memoryLimit: number) {
    this.#options = options;
    this.memoryLimit = memoryLimit;
  }

  get state(): HostState {
    if (this.#closed) return "closed";
    return this.#module ? "loaded" : "unloaded";
  }

  /** Takes a turn and brings the weights onto the device, where they are not. */
  async ensureLoaded(): Promise<void> {
    const { queue } = this.#options;
    await queue.run(async () => {
      if (queue.lost) throw queue.lost;
      await this.#load();
    });
    this.#restartIdleTimer();
  }

  /**
   * Runs one call on the device, for somebody who has the turn already. Loads the weights first where they are not
   * there. Rejects with a ClipBlipError.
   */
  async call<T>(work: (module: ModuleHandle, options: RunOptions) => Promise<T>): Promise<T> {
    const { queue, releaseCache } = this.#options;
    if (queue.lost) throw queue.lost;
    this.#calls += 1;
    clearTimeout(this.#idleTimer);
    try {
      return await work(await this.#load(), {
        memoryLimit: this.memoryLimit,
        releaseCache: releaseCache === "after-call",
      });
    } catch (error) {
      const failure = fromNative(error);
      if (failure.code === "ERR_DEVICE_LOST") queue.lost = failure;
      throw failure;
    } finally {
      if (releaseCache === "when-idle" && queue.length === 0) this.releaseCache();
      this.#restartIdleTimer();
    }
  }

  /** Gives the blocks that the allocator keeps for reuse back to the device. */
  releaseCache(): void {
    const { native, device } = this.#options;
    native.emptyCache(device);
  }

  /** Waits for the call that runs, then takes the weights off the device. The next call brings them back. */
  async unload(): Promise<void> {
    await this.#options.queue.run(() => this.#drop());
  }

  /** As unload, and for good. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    await this.unload();
  }

  async #load(): Promise<ModuleHandle> {
    if (this.#closed) throw closedError();
    this.#module ??= await this.#options.load().catch((error) => {
      throw fromNative(error);
    });
    return this.#module;
  }

  async #drop(): Promise<void> {
    clearTimeout(this.#idleTimer);
    if (!this.#module) return;
    const module = this.#module;
    this.#module = undefined;
    await this.#options.native.unloadModule(module);
    this.releaseCache();
  }

  #restartIdleTimer(): void {
    clearTimeout(this.#idleTimer);
    const { idleUnload } = this.#options;
    if (idleUnload === undefined || this.#closed || !this.#module) return;
    // A timer alone must not keep the process alive.
    this.#idleTimer = setTimeout(() => {
      const calls = this.#calls;
      void this.#options.queue.run(async () => {
        if (calls === this.#calls) await this.#drop();
      });
    }, idleUnload).unref();
  }
}

/** What calls on a closed model reject with. */
export function closedError(): ClipBlipError {
  return new ClipBlipError("ERR_CLOSED", "The model was closed: load it again with load()");
}
