import { asClipBlipError, ClipBlipError } from "../common/errors.js";
import type { LoadOptions } from "../models/load-options.js";
import type { Capabilities } from "../models/model.js";
import { fromLibrary, isServerFault, RETRY_LATER, ServiceError } from "./errors.js";
import { Gate } from "./gate.js";
import type { AnyServiceModel, ModelOrigin } from "./models.js";

/** What a hosted model is made of. */
export interface HostedModelOptions<M extends AnyServiceModel> {
  origin: ModelOrigin<M>;
  /** Of the load, beside its signal and its queue. */
  load: LoadOptions;
  /** A small inference, which tells whether the model works again after one has failed. */
  check: (model: M, signal: AbortSignal) => Promise<unknown>;
  /** Items that may wait for the model. */
  maxQueue: number;
  /** Told why a load or a warm-up failed; a failed request is its route's to log. */
  onStartFailure: (error: ClipBlipError) => void;
  /** Told when the device has failed for good. */
  onDeviceLost: () => void;
}

/** "loading": not warmed up yet; "unloaded": the weights come back with the next request. */
export type HostedState = "loading" | "ready" | "unloaded" | "failed";

/** Milliseconds that a check after a failure may take. */
const CHECK_TIMEOUT = 5000;

/** A model in the service: its load in the background, its queue, and whether its inference works. */
export class HostedModel<M extends AnyServiceModel> {
  readonly label: string;
  readonly gate: Gate;
  readonly #options: HostedModelOptions<M>;
  readonly #closing = new AbortController();
  #model: M | undefined;
  #starting: Promise<void> | undefined;
  /** Whether a warm-up has run through, once. */
  #warm = false;
  /** Why the load or the first warm-up failed. */
  #startError: ClipBlipError | undefined;
  /** The failure of the last inference, as long as none has succeeded since. */
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

  /** Loads the model where it is not there, and warms it up. Never rejects: `unavailable` and `notReady` tell. */
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

  /** Why the model cannot be asked anything; undefined where it can. */
  unavailable(): ServiceError | undefined {
    if (this.#warm) return undefined;
    if (this.#startError && !this.#starting) return unready(this.#startError);
    return new ServiceError(503, "ERR_NOT_READY", "The models are loading: try again in a few seconds.", {
      retryAfter: RETRY_LATER,
    });
  }

  /**
   * Why the model is not ready. After a failed inference another one is tried, a small one: a load balancer that asks
   * brings the service back as soon as it works again.
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

  /** Asks the model, and remembers whether it works. @throws what the library throws; ServiceError */
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

  /** What the model tells of itself; undefined while it is not there. */
  capabilities(): Capabilities | undefined {
    return this.#model?.capabilities();
  }

  /** Takes the weights off the device; the next request brings them back. */
  async unload(): Promise<void> {
    await this.use((model) => model.unload());
  }

  /** Ends a load that runs, and the model. */
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
      // Where the time ran out, the failure that is known stays.
      if (error instanceof ClipBlipError) this.#fault = error;
    }
  }
}

/** A failure as `/health/ready` tells it: whatever it is, the service is not ready. */
function unready(error: ClipBlipError): ServiceError {
  const { code, message } = fromLibrary(error);
  return new ServiceError(503, code, message, { retryAfter: RETRY_LATER, cause: error });
}
