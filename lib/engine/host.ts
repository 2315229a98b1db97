import { ClipBlipError, isError } from "../common/errors.js";
import { fromNative } from "../native/errors.js";
import type { CacheRelease, ModuleHandle, NativeBinding, RunOptions } from "../native/types.js";
import type { DeviceQueue } from "./device-queue.js";

/** What a host needs to load, keep and unload a model's weights. */
export interface HostOptions {
  native: Pick<NativeBinding, "emptyCache" | "unloadModule">;
  /** "cpu", "cuda:0", … */
  device: string;
  queue: DeviceQueue;
  /** Loads the weights onto the device; called again when an unloaded model is used. */
  load: () => Promise<ModuleHandle>;
  /** Bytes that the activations of a call may use, given the memory that is free now. */
  measureBudget: () => number;
  releaseCache: CacheRelease;
  /** Milliseconds without a call after which the weights are unloaded. */
  idleUnload?: number | undefined;
  /** Whether calls are in progress, including those whose items are still being prepared. */
  isBusy: () => boolean;
}

export type HostState = "loaded" | "unloaded" | "closed";

/** Loads, uses and unloads one model's weights on one device, always within a turn of the device's queue. */
export class ModelHost {
  readonly #options: HostOptions;
  #module: ModuleHandle | undefined;
  /** The running load, shared by all calls of a turn. */
  #loading: Promise<ModuleHandle> | undefined;
  #budget = 0;
  #closed = false;
  #idleTimer: NodeJS.Timeout | undefined;
  /** Number of calls so far; tells an idle unload that waited for its turn whether it is still wanted. */
  #calls = 0;

  constructor(options: HostOptions) {
    this.#options = options;
  }

  get state(): HostState {
    if (this.#closed) return "closed";
    return this.#module ? "loaded" : "unloaded";
  }

  /** Bytes of activations that a call may hold, as measured when the weights were loaded or by the last probe. */
  get budget(): number {
    return this.#budget;
  }

  /** Takes a turn and loads the weights if necessary. */
  async ensureLoaded(): Promise<void> {
    await this.#options.queue.run(() => this.#load());
    this.#restartIdleTimer();
  }

  /** Measures how many bytes a call may hold, with the weights loaded. The caller must hold the turn. */
  async measureBudget(): Promise<number> {
    await this.#load();
    this.#measureBudget();
    return this.#budget;
  }

  /**
   * Runs one call on the device, loading the weights first if necessary. The caller must hold the turn. Rejects with a
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
      // Start the next try with an empty cache.
      if (failure.code === "ERR_OUT_OF_MEMORY") await this.#releaseCache();
      throw failure;
    } finally {
      this.#restartIdleTimer();
    }
  }

  /** Waits for the running call, then unloads the weights. The next call loads them again. */
  async unload(): Promise<void> {
    await this.#options.queue.run(() => this.#drop());
  }

  /** Unloads for good, after the call that holds the turn. */
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
    // Closed meanwhile: start nothing; close() unloads these weights.
    if (this.#closed) throw closedError();
    // Measure with the weights loaded, each time: another model may have been loaded since.
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
   * Gives the allocator's cached blocks back to the device. Never rejects: if the device has failed, the next call
   * reports it.
   */
  async #releaseCache(): Promise<void> {
    const { native, device } = this.#options;
    try {
      await native.emptyCache(device);
    } catch (error) {
      this.#failure(error);
    }
  }

  /** Turns an error of the addon into a ClipBlipError; marks the device as lost if it has failed for good. */
  #failure(error: unknown): ClipBlipError {
    const failure = fromNative(error);
    if (failure.code === "ERR_DEVICE_LOST") {
      const { cause } = failure;
      this.#options.queue.markLost(isError(cause) ? cause.message : failure.message);
    }
    return failure;
  }

  #restartIdleTimer(): void {
    clearTimeout(this.#idleTimer);
    const { idleUnload } = this.#options;
    if (idleUnload === undefined || this.#closed || !this.#module) return;
    // The timer must not keep the process alive.
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
      // Nobody awaits this. The module is dropped either way, and the next call loads it again.
    }
  }
}

/** The error that calls on a closed model reject with. */
export function closedError(): ClipBlipError {
  return new ClipBlipError("ERR_CLOSED", "The model is closed: load it again with load()");
}
