import { asClipBlipError, ClipBlipError } from "../common/errors.js";
import type { LoadOptions } from "../models/load-options.js";
import type { Capabilities } from "../models/model.js";
import { fromLibrary, isServerFault, RETRY_LATER, ServiceError } from "./errors.js";
import { Gate } from "./gate.js";
import type { AnyServiceModel, ModelOrigin } from "./models.js";

/** Options of `HostedModel`. */
export interface HostedModelOptions<M extends AnyServiceModel> {
  origin: ModelOrigin<M>;
  /** Options for loading, without the signal and the queue. */
  load: LoadOptions;
  /** A small inference, to find out whether the model works again after a failure. */
  check: (model: M, signal: AbortSignal) => Promise<unknown>;
  /** Maximum number of items waiting for the model. */
  maxQueue: number;
  /** Called when loading or warming up failed. Failed requests are logged by their routes. */
  onStartFailure: (error: ClipBlipError) => void;
  /** Called when the device is lost. */
  onDeviceLost: () => void;
}

/** "loading": not warmed up yet; "unloaded": the next request loads the weights again. */
export type HostedState = "loading" | "ready" | "unloaded" | "failed";

/** Maximum milliseconds for a check after a failure. */
const CHECK_TIMEOUT = 5000;

/** A model in the service: loads it in the background, limits its queue, and knows whether it works. */
export class HostedModel<M extends AnyServiceModel> {
  readonly label: string;
  readonly gate: Gate;
  readonly #options: HostedModelOptions<M>;
  readonly #closing = new AbortController();
  #model: M | undefined;
  #starting: Promise<void> | undefined;
  /** Whether a warm-up has succeeded. */
  #warm = false;
  /** Why loading or the first warm-up failed. */
  #startError: ClipBlipError | undefined;
  /** The failure of the last inference; undefined if that succeeded. */
  #fault: ClipBlipError | undefined;
  #checking: Promise<void> | undefined;

  constructor(options: HostedModelOptions<M>) {
    this.label = options.origin.label;
    this.gate = new Gate(options.maxQueue);
    this.#options = options;
  }

  get state(): HostedState {
    if (!this.#warm) return this.#startError && !this.#starting ? "failed" : "loading";
    return this.#model!.capabilities().state === "loaded" ? "ready" : "unloaded";
  }

  /** Loads the model if necessary, and warms it up. Never rejects: see `unavailable` and `notReady`. */
  start(): Promise<void> {
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { origin, load, maxQueue, onStartFailure } = this.#options;
    try {
      this.#model ??= await origin.load({ ...load, maxQueue, signal: this.#closing.signal });
      await this.#model.warmup();
      this.#warm = true;
      this.#startError = undefined;
      this.#fault = undefined;
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      const failure = asClipBlipError(error);
      if (this.#warm) this.#fault = failure;
      else this.#startError = failure;
      onStartFailure(failure);
    }
  }

  /** Why the model cannot be used; undefined if it can. */
  unavailable(): ServiceError | undefined {
    if (this.#warm) return undefined;
    if (this.#startError && !this.#starting) return unready(this.#startError);
    return new ServiceError(503, "ERR_NOT_READY", "The models are loading: try again in a few seconds.", {
      retryAfter: RETRY_LATER,
    });
  }

  /**
   * Why the model is not ready; undefined if it is. After a failed inference this runs a small one, so that a load
   * balancer that asks finds the service ready as soon as it works again.
   */
  async notReady(): Promise<ServiceError | undefined> {
    const unavailable = this.unavailable();
    if (unavailable) return unavailable;
    if (this.#fault && this.#fault.code !== "ERR_DEVICE_LOST") {
      this.#checking ??= this.#check().finally(() => {
        this.#checking = undefined;
      });
      await this.#checking;
    }
    return this.#fault && unready(this.#fault);
  }

  /** Whether the model is warmed up, and its last inference worked. */
  get works(): boolean {
    return this.#warm && !this.#fault;
  }

  /** Whether only a new process can help. */
  get lost(): boolean {
    return this.#fault?.code === "ERR_DEVICE_LOST";
  }

  /** Runs `work` with the model, and notes whether that works. @throws what the library throws; ServiceError */
  async use<R>(work: (model: M) => Promise<R>): Promise<R> {
    const unavailable = this.unavailable();
    if (unavailable) throw unavailable;
    try {
      const result = await work(this.#model!);
      this.#fault = undefined;
      return result;
    } catch (error) {
      if (error instanceof ClipBlipError && isServerFault(error.code)) {
        this.#fault = error;
        if (this.lost) this.#options.onDeviceLost();
      }
      throw error;
    }
  }

  /** The model's capabilities; undefined until it is loaded. */
  capabilities(): Capabilities | undefined {
    return this.#model?.capabilities();
  }

  /** Unloads the weights from the device; the next request loads them again. */
  async unload(): Promise<void> {
    await this.use((model) => model.unload());
  }

  /** Stops loading, and closes the model if the service owns it. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#starting;
    if (this.#options.origin.owned) await this.#model?.close();
  }

  async #check(): Promise<void> {
    try {
      await this.#options.check(this.#model!, AbortSignal.timeout(CHECK_TIMEOUT));
      this.#fault = undefined;
    } catch (error) {
      // After a timeout the known failure remains.
      if (error instanceof ClipBlipError) this.#fault = error;
    }
  }
}

/** A failure as a response of status 503, whatever its own status: the service is not ready. */
function unready(error: ClipBlipError): ServiceError {
  const { code, message } = fromLibrary(error);
  return new ServiceError(503, code, message, { retryAfter: RETRY_LATER, cause: error });
}
