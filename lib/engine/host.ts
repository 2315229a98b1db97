import { ClipBlipError } from "../common/errors.js";
import { fromNative } from "../native/errors.js";
import type { CacheRelease, ModuleHandle, NativeBinding, RunOptions } from "../native/types.js";
import type { DeviceQueue } from "./device-queue.js";

/** What a model's weights need to come, stay and go. */
export interface HostOptions {
  native: Pick<NativeBinding, "emptyCache" | "unloadModule">;
  /** "cpu", "cuda:0", … */
  device: string;
  queue: DeviceQueue;
  /** Loads the weights onto the device; called again when a call meets an unloaded model. */
  load: () => Promise<ModuleHandle>;
  /** Bytes that the activations of a call may take, as things are now. */
  measureBudget: () => number;
  releaseCache: CacheRelease;
  /** Milliseconds without a call after which the weights leave the device. */
  idleUnload?: number;
  /** Whether calls are under way, be it that their items are still being prepared. */
  isBusy: () => boolean;
}

export type HostState = "loaded" | "unloaded" | "closed";

/** The life of one model's weights on one device. Every use happens within a turn of the device's queue. */
export class ModelHost {
  readonly #options: HostOptions;
  #module: ModuleHandle | undefined;
  /** Under way for all calls of a turn that have met an unloaded model. */
  #loading: Promise<ModuleHandle> | undefined;
  #budget = 0;
  #closed = false;
  #idleTimer: NodeJS.Timeout | undefined;
  /** Calls so far: an idle unload that had to wait for its turn sees whether it is still wanted. */
  #calls = 0;

  constructor(options: HostOptions) {
    this.#options = options;
  }

  get state(): HostState {
    if (this.#closed) return "closed";
    return this.#module ? "loaded" : "unloaded";
  }

  /** Bytes of activations that one call may hold, as measured when the weights came, or by the last probe. */
  get budget(): number {
    return this.#budget;
  }

  /** Takes a turn and brings the weights onto the device, where they are not. */
  async ensureLoaded(): Promise<void> {
    await this.#options.queue.run(() => this.#load());
    this.#restartIdleTimer();
  }

  /** For somebody who has the turn: how many bytes a call may hold from now on, the weights being there. */
  async measureBudget(): Promise<number> {
    await this.#load();
    this.#measureBudget();
    return this.#budget;
  }

  /**
   * Runs one call on the device, for somebody who has the turn already. Loads the weights first where they are not
   * there. Rejects with a ClipBlipError.
   */
  async call<T>(work: (module: ModuleHandle, options: RunOptions) => Promise<T>): Promise<T> {
    clearTimeout(this.#idleTimer);
    this.#calls += 1;
    try {
      const module = await this.#load();
      return await work(module, { memoryLimit: this.#budget, releaseCache: this.#options.releaseCache });
    } catch (error) {
      const failure = this.#failure(error);
      // Whatever is tried next finds the cache empty.
      if (failure.code === "ERR_OUT_OF_MEMORY") await this.#releaseCache();
      throw failure;
    } finally {
      this.#restartIdleTimer();
    }
  }

  /** Waits for the call that runs, then takes the weights off the device. The next call brings them back. */
  async unload(): Promise<void> {
    await this.#options.queue.run(() => this.#drop());
  }

  /** As unload, and for good. What has the turn already finishes. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    await this.unload();
  }

  async #load(): Promise<ModuleHandle> {
    const { lost } = this.#options.queue;
    if (lost) throw lost;
    if (this.#module) return this.#module;
    if (this.#closed) throw closedError();
    this.#loading ??= this.#place().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #place(): Promise<ModuleHandle> {
    try {
      this.#module = await this.#options.load();
    } catch (error) {
      throw this.#failure(error);
    }
    // Closed meanwhile: nothing begins any more, and close() takes these weights away again.
    if (this.#closed) throw closedError();
    // Measured with the weights in place; and another model may have come since they were here last.
    this.#measureBudget();
    return this.#module;
  }

  #measureBudget(): void {
    try {
      this.#budget = this.#options.measureBudget();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async #drop(): Promise<void> {
    clearTimeout(this.#idleTimer);
    if (!this.#module) return;
    const module = this.#module;
    this.#module = undefined;
    await this.#options.native.unloadModule(module);
    await this.#releaseCache();
  }

  /**
   * Gives the blocks that the allocator keeps for reuse back to the device. Never rejects: what comes next meets the
   * same fault, and reports it.
   */
  async #releaseCache(): Promise<void> {
    const { native, device } = this.#options;
    try {
      await native.emptyCache(device);
    } catch (error) {
      this.#failure(error);
    }
  }

  /** An error of the addon as users see it; a device that failed for good is so for everybody from here on. */
  #failure(error: unknown): ClipBlipError {
    const failure = fromNative(error);
    if (failure.code === "ERR_DEVICE_LOST") {
      const { cause } = failure;
      this.#options.queue.markLost(cause instanceof Error ? cause.message : failure.message);
    }
    return failure;
  }

  #restartIdleTimer(): void {
    clearTimeout(this.#idleTimer);
    const { idleUnload } = this.#options;
    if (idleUnload === undefined || this.#closed || !this.#module) return;
    // A timer alone must not keep the process alive.
    this.#idleTimer = setTimeout(() => void this.#unloadWhereIdle(), idleUnload).unref();
  }

  async #unloadWhereIdle(): Promise<void> {
    if (this.#options.isBusy()) {
      this.#restartIdleTimer();
      return;
    }
    const calls = this.#calls;
    try {
      await this.#options.queue.run(async () => {
        if (calls === this.#calls) await this.#drop();
      });
    } catch {
      // Nobody waits for this. The module is given up either way, and the next call loads it anew.
    }
  }
}

/** What calls on a closed model reject with. */
export function closedError(): ClipBlipError {
  return new ClipBlipError("ERR_CLOSED", "The model was closed: load it again with load()");
}
