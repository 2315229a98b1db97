import type { ExtraFiles } from "../checkpoint/checkpoint.js";
import type { BlipTask, ClipDescription, ModelDescription } from "../checkpoint/description.js";
import { asyncDispose } from "../common/dispose.js";
import { Admission } from "../engine/admission.js";
import { deviceQueue } from "../engine/device-queue.js";
import { closedError, type HostState, ModelHost } from "../engine/host.js";
import type { MeasuredBatch, Operation, OperationContext } from "../engine/operation.js";
import type { MemoryModel } from "../engine/probe.js";
import { native } from "../native/instance.js";
import type { ModelDtype, NativeBinding } from "../native/types.js";
import { deviceMemory, type MemoryInfo, resolveDevice, resolveDtype } from "./devices.js";
import { assertLoadOptions, type ClipLoadOptions, type LoadOptions } from "./load-options.js";
import { type Descriptions, openModel } from "./model-source.js";

/** Facts about a model: its kind, where it runs and how large its batches can be. */
export interface Capabilities {
  architecture: ModelDescription["architecture"];
  /** The task that it was trained for; BLIP only. */
  task?: BlipTask;
  /** "cpu", "cuda:0", … */
  device: string;
  dtype: ModelDtype;
  /** What it can embed: both, or one if the checkpoint holds only one tower; CLIP only. */
  embeds?: ("image" | "text")[];
  /** Length of an embedding; CLIP only. */
  dimension?: number;
  /** Side of the model's square input, in pixels; absent if the model does not read pictures. */
  imageSize?: number;
  /** Number of pictures that fit into one forward pass, as measured by the probe. */
  safeBatchSize: number;
  /**
   * Bytes of activations for each picture in a batch, as measured by the probe; an upper bound if the probe stopped
   * early because memory is plentiful.
   */
  bytesPerItem: number;
  memory: MemoryInfo;
  /** Version of LibTorch. */
  libtorch: string;
  state: HostState;
}

/** A model being loaded: what both classes need to create their operations. */
export interface Runtime<Description extends ModelDescription = ModelDescription> extends OperationContext {
  native: NativeBinding;
  dtype: ModelDtype;
  description: Description;
  extraFiles: ExtraFiles;
  options: LoadOptions;
  /** The same for every load of the same model, dtype, device and limit. */
  probeKey: string;
}

/** Finds a model, resolves device and dtype, and puts the weights onto the device. */
export async function openRuntime<Family extends keyof Descriptions>(
  source: string,
  family: Family,
  options: ClipLoadOptions,
): Promise<Runtime<Descriptions[Family]>> {
  assertLoadOptions(options, family);
  options.signal?.throwIfAborted();
  const binding = native();
  const device = resolveDevice(binding, options.device);
  const dtype = resolveDtype(binding, device, options.dtype);
  const opened = await openModel(binding, source, family, options);
  const queue = deviceQueue(binding, device);
  const admission = new Admission(options.maxQueue ?? 1024);
  const host = new ModelHost({
    native: binding,
    device,
    queue,
    load: () => opened.place({ device, dtype, prepare: true }),
    measureBudget: () => activationBudget(binding, device, options),
    releaseCache: options.releaseCache ?? "after-call",
    idleUnload: options.idleUnload,
    isBusy: () => admission.accepted > 0,
  });
  options.onProgress?.({ phase: "load" });
  await host.ensureLoaded();
  if (options.signal?.aborted) {
    await host.close();
    throw options.signal.reason;
  }
  return {
    native: binding,
    device,
    dtype,
    queue,
    host,
    admission,
    maxBatchSize: options.maxBatchSize === "auto" ? undefined : options.maxBatchSize,
    description: opened.description,
    extraFiles: opened.extraFiles,
    options,
    probeKey: JSON.stringify([
      opened.path,
      opened.description,
      dtype,
      device,
      [options.memoryLimit, options.memoryFraction, options.maxBatchSize],
    ]),
  };
}

/** The part of an operation that its model uses. */
type AnyOperation = Pick<Operation<never, never, never>, "probe" | "adopt" | "warmup" | "close">;

/** Results of earlier probes in this process. */
const probed = new Map<string, MemoryModel[]>();

/** What CLIP and BLIP models have in common: memory, lifecycle and capabilities. */
export abstract class Model {
  readonly #runtime: Runtime;
  readonly #operations: AnyOperation[];
  #memory: MeasuredBatch = { bytesPerItem: 0, fixedBytes: 0, safeBatchSize: 1 };
  #closing: Promise<void> | undefined;

  /** @param operations the one that reads pictures first; capabilities() reports its measurements */
  protected constructor(runtime: Runtime, operations: AnyOperation[]) {
    this.#runtime = runtime;
    this.#operations = operations;
  }

  /**
   * Reports what this model is, where it runs and how large its batches can be.
   * @example
   * ```ts
   * const { device, dtype, safeBatchSize } = clip.capabilities();
   * ```
   */
  capabilities(): Capabilities {
    const { native, device, dtype, description, host } = this.#runtime;
    return {
      architecture: description.architecture,
      device,
      dtype,
      ...(description.architecture === "blip"
        ? { task: description.task }
        : { embeds: embeds(description), dimension: description.dimension }),
      ...(description.imageSize === undefined ? {} : { imageSize: description.imageSize }),
      safeBatchSize: this.#memory.safeBatchSize,
      bytesPerItem: this.#memory.bytesPerItem,
      memory: deviceMemory(native, device),
      libtorch: native.torchVersion(),
      state: host.state,
    };
  }

  /**
   * Measures again how many items fit into the memory that is free now.
   * @throws ClipBlipError ERR_CLOSED, ERR_DEVICE_LOST, and ERR_OUT_OF_MEMORY if not even one item fits
   */
  async probe(): Promise<Capabilities> {
    this.assertOpen();
    await this.#measure();
    return this.capabilities();
  }

  /**
   * Loads the weights if necessary and runs every batch size that is used once: the powers of two below the largest
   * batch, and the largest batch. This moves lazy initialization out of the first calls.
   * @throws ClipBlipError ERR_CLOSED, ERR_DEVICE_LOST, and ERR_OUT_OF_MEMORY if not even one item fits
   */
  async warmup(): Promise<void> {
    this.assertOpen();
    await this.#runtime.host.ensureLoaded();
    for (const operation of this.#operations) await operation.warmup();
  }

  /** Waits for the running call, then unloads the weights from the device. The next call loads them again. */
  async unload(): Promise<void> {
    this.#assertNotClosed();
    await this.#runtime.host.unload();
  }

  /**
   * Closes the model: waiting calls reject with ERR_CLOSED, running ones finish, then the weights are unloaded. Calling
   * it again returns the same promise. `await using` closes a model at the end of its block.
   * @example
   * ```ts
   * await using clip = await ClipModel.load("demo");
   * ```
   */
  close(): Promise<void> {
    if (!this.#closing) {
      for (const operation of this.#operations) operation.close(closedError());
      this.#closing = this.#runtime.host.close();
    }
    return this.#closing;
  }

  async [asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The first probe, or the result of an earlier load of the same model in this process. */
  protected async firstProbe(): Promise<void> {
    const known = probed.get(this.#runtime.probeKey);
    if (!known) {
      this.#runtime.options.onProgress?.({ phase: "probe" });
      await this.#measure(this.#runtime.options.signal);
      return;
    }
    [this.#memory] = this.#operations.map((operation, index) => operation.adopt(known[index]!)) as [MeasuredBatch];
  }

  /** @throws ClipBlipError ERR_CLOSED, ERR_DEVICE_LOST */
  protected assertOpen(): void {
    this.#assertNotClosed();
    const { lost } = this.#runtime.queue;
    if (lost) throw lost;
  }

  #assertNotClosed(): void {
    if (this.#closing) throw closedError();
  }

  async #measure(signal?: AbortSignal): Promise<void> {
    const results: MeasuredBatch[] = [];
    for (const operation of this.#operations) results.push(await operation.probe(signal));
    signal?.throwIfAborted();
    probed.set(this.#runtime.probeKey, results);
    this.#memory = results[0]!;
  }
}

function embeds({ imageSize, contextLength }: ClipDescription): ("image" | "text")[] {
  return [
    ...(imageSize === undefined ? [] : ["image" as const]),
    ...(contextLength === undefined ? [] : ["text" as const]),
  ];
}

/** Bytes that activations may use: a fraction of the free memory, but not more than `memoryLimit`. */
function activationBudget(binding: NativeBinding, device: string, options: LoadOptions): number {
  const free = deviceMemory(binding, device).free * (options.memoryFraction ?? 0.8);
  return Math.floor(Math.min(free, options.memoryLimit ?? Number.POSITIVE_INFINITY));
}
