import { ClipBlipError } from "../common/errors.js";
import { fromNative } from "../native/errors.js";
import type { CacheRelease, ModuleHandle, NativeBinding, RunOptions } from "../native/types.js";
import type { DeviceQueue } from "./device-queue.js";

/** What the host of a model's weights needs. */
export interface HostOptions {
  native: Pick<NativeBinding, "emptyCache" | "unloadModule">;
  /** "cpu", "cuda:0", … */
  device: string;
  queue: DeviceQueue;
  /** Loads the weights onto the device; called again when a call meets an unloaded model. */
  load: () => Promise<ModuleHandle>;
  /** Bytes that the activations of a call may take at present. */
  measureBudget: () => number;
  releaseCache: CacheRelease;
  /** Milliseconds without a call after which the weights leave the device. */
  idleUnload?: number;
  /** Whether calls are under way, including those whose items are still being prepared. */
  isBusy: () => boolean;
}

export type HostState = "loaded" | "unloaded" | "closed";

/** Loads, keeps and unloads one model's weights on one device. Every use happens within a turn of the device's queue. */
export class ModelHost {
  readonly #options: HostOptions;
  #module: ModuleHandle | undefined;
  /** The load in progress, shared by the calls of a turn that found the model unloaded. */
  #loading: Promise<ModuleHandle> | undefined;
  #budget = 0;
  #closed = false;
  #idleTimer: NodeJS.Timeout | undefined;
  /** Number of calls so far, by which an idle unload that waited for its turn sees whether it is still wanted. */
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

  /** Takes a turn, and loads the weights if they are not on the device. */
  async ensureLoaded(): Promise<void> {
    await this.#options.queue.run(() => this.#load());
    this.#restartIdleTimer();
  }

  /** Measures how many bytes a call may hold, with the weights loaded. The caller has the turn. */
  async measureBudget(): Promise<number> {
    await this.#load();
    this.#measureBudget();
    return this.#budget;
  }

  /**
   * Runs one call on the device. The caller has the turn. Loads the weights first if necessary. Rejects with a
   * ClipBlipError.
   */
  async call<T>(work: (module: ModuleHandle, options: RunOptions) => Promise<T>): Promise<T> {
    clearTimeout(this.#idleTimer);
    this.#calls += 1;
    try {
      const module = await this.#load();
      return await work(module, { memoryLimit: this.#budget, releaseCache: this.#options.releaseCache });
    } catch (error) {
      const failure = this.#failure(error);
      // So that the next try finds the cache empty.
      if (failure.code === "ERR_OUT_OF_MEMORY") await this.#releaseCache();
      throw failure;
    } finally {
      this.#restartIdleTimer();
    }
  }

  /** Waits for the running call, then removes the weights from the device. The next call loads them again. */
  async unload(): Promise<void> {
    await this.#options.queue.run(() => this.#drop());
  }

  /** Like unload, for good. Whoever has the turn finishes. */
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
    // Closed meanwhile: nothing starts any more, and close() removes these weights again.
    if (this.#closed) throw closedError();
    // Measured with the weights in place. Another model may have been loaded since they were here last.
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
   * Returns the memory that the allocator keeps for reuse to the device. Never rejects: the next call meets the same
   * fault and reports it.
   */
  async #releaseCache(): Promise<void> {
    const { native, device } = this.#options;
    try {
      await native.emptyCache(device);
    } catch (error) {
      this.#failure(error);
    }
  }

  /** An error of the addon as users see it. A lost device is reported to everybody from now on. */
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
