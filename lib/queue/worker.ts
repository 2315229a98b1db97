import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "ioredis";
import pLimit from "p-limit";
import { assertInteger, assertOptions } from "../common/validate.js";
import type { ImageInput } from "../input/types.js";
import { maxUsefulBatch } from "../models/batch-size.js";
import type { JobType } from "../models/jobs.js";
import type { Capabilities } from "../models/model.js";
import { DAY } from "./backend.js";
import { type BullWorker, runBullWorker } from "./bull-worker.js";
import { ChunkRunner } from "./chunk-runner.js";
import { PICTURES_OF_A_CHUNK } from "./chunks.js";
import { Names } from "./names.js";
import type { Outcome } from "./outcome.js";
import { pictureReader } from "./pictures.js";
import { connect, untilReady } from "./redis.js";
import type { OptionsOf, Task } from "./request.js";
import { Sink } from "./sink.js";
import { JobStore } from "./store.js";
import { assertWorkerOptions, type WorkerOptions } from "./worker-options.js";

/** A worker that takes jobs until it is closed. */
export interface JobWorker {
  /**
   * Resolves when the worker is closed. If it cannot continue, because the device was lost or the sink cannot be
   * written, it closes itself and this rejects. A supervisor should then restart the process.
   */
  readonly done: Promise<void>;
  /**
   * Takes no more jobs, finishes its work, and ends. What is not finished within `timeout` milliseconds (default
   * 20,000) goes back to the queue, except for pictures on the device, which finish. Never rejects.
   */
  close(options?: { timeout?: number }): Promise<void>;
}

/** Maximum milliseconds for the last messages of a worker to Redis. */
const LAST_WORDS = 5_000;

/** Milliseconds between two checks whether Redis is gone, while a worker ends. */
const POLL = 100;

/**
 * Starts a worker, which processes jobs from the queue until it is closed. Any number of workers may run, on any number
 * of machines. If one is lost, the others do its jobs, and each picture still has exactly one outcome.
 *
 * Resolves once Redis answers, however long that takes.
 * @example
 * ```ts
 * const worker = await startWorker({ redis: "redis://127.0.0.1:6379", clip, roots: ["/data/photos"] });
 * process.once("SIGTERM", () => worker.close());
 * await worker.done;
 * ```
 * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_MODULE_NOT_FOUND; `signal.reason`
 */
export async function startWorker(options: WorkerOptions): Promise<JobWorker> {
  assertWorkerOptions(options);
  const { stalledAfter = 30_000, resultTtl = DAY, log = () => {}, signal } = options;
  const names = new Names(options);
  const read = await pictureReader(options);
  const redis = await connect({ url: options.redis, waits: true, log });
  const life = new WorkerLife(redis);
  try {
    await untilReady(redis, signal);
    const store = new JobStore(redis, names, resultTtl);
    const onFailure = (error: Error) => life.fail(error);
    if (options.sink !== undefined) {
      const place = { path: options.sink, worker: randomUUID(), leaseTtl: stalledAfter };
      life.sink = await Sink.open({ ...place, store, log, signal, onFailure });
    }
    for (const { type, infer, batch } of modelsOf(options)) {
      const concurrency = options.concurrency ?? 2 * batch;
      const runner = new ChunkRunner({
        store,
        read,
        infer,
        limit: pLimit(concurrency),
        keep: (life.sink ?? store).keep,
        onPicture: options.onPicture ?? (() => {}),
        onFailure,
      });
      const worker = await runBullWorker({
        type,
        redis,
        names,
        runner,
        // While the last pictures of a chunk are processed, the next chunk is there.
        target: Math.max(concurrency, PICTURES_OF_A_CHUNK + 1),
        stalledAfter,
        stop: life.stop,
        log,
        onChunk: (seconds) => options.onChunk?.(type, seconds),
        onFailure,
      });
      life.workers.push(worker);
    }
  } catch (error) {
    await life.close({ timeout: 0 });
    throw error;
  }
  return life;
}

interface TypedModel {
  type: JobType;
  infer: (image: ImageInput, task: Task) => Promise<Outcome>;
  /** Pictures in a batch. */
  batch: number;
}

function modelsOf({ clip, blip }: WorkerOptions): TypedModel[] {
  const models: TypedModel[] = [];
  if (clip) {
    const infer = async (image: ImageInput, { options }: Task) => {
      const [embedding] = await clip.encodeImages([image], options as OptionsOf<"embeddings">);
      return { embedding: embedding! };
    };
    models.push({ type: "embeddings", infer, batch: batchOf(clip.capabilities(), "clip") });
  }
  if (blip) {
    const infer = async (image: ImageInput, { options }: Task) => {
      const [caption] = await blip.caption([image], options as OptionsOf<"captions">);
      return { caption: caption! };
    };
    models.push({ type: "captions", infer, batch: batchOf(blip.capabilities(), "blip") });
  }
  return models;
}

/** Pictures in a batch: far more may fit into memory than are useful. */
function batchOf({ safeBatchSize, device }: Capabilities, architecture: Capabilities["architecture"]): number {
  return Math.min(safeBatchSize, maxUsefulBatch(architecture, device));
}

/** The parts of a worker, and its shutdown. */
class WorkerLife implements JobWorker {
  readonly done: Promise<void>;
  readonly workers: BullWorker[] = [];
  sink: Sink | undefined;
  readonly #redis: Redis;
  readonly #stop = new AbortController();
  #finish!: () => void;
  #fail!: (error: Error) => void;
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;

  constructor(redis: Redis) {
    this.#redis = redis;
    this.done = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    // A caller that does not use `done` gets no unhandled rejection.
    this.done.catch(() => {});
  }

  /** Aborted when no further picture may be started. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Closes a worker that cannot continue. */
  fail(error: Error): void {
    if (this.#closing && !this.#failure && this.#stop.signal.aborted) return;
    this.#failure ??= error;
    void this.close({ timeout: 0 });
    this.#stop.abort();
  }

  close(options: { timeout?: number } = {}): Promise<void> {
    assertOptions(options, "options", ["timeout"]);
    assertInteger(options.timeout, "options.timeout", 0);
    this.#closing ??= this.#close(options.timeout ?? 20_000);
    return this.#closing;
  }

  async #close(timeout: number): Promise<void> {
    const closed = Promise.allSettled(this.workers.map((worker) => worker.close()));
    await this.#finishWork(timeout, closed);
    this.#stop.abort();
    // If Redis is gone, these would wait forever.
    await within(this.#lastWords, closed);
    await within(this.#lastWords, Promise.resolve(this.sink?.close()));
    this.#redis.disconnect();
    if (this.#failure) this.#fail(this.#failure);
    else this.#finish();
  }

  /** Waits until the work in progress is done, but at most `timeout` milliseconds. */
  async #finishWork(timeout: number, closed: Promise<unknown>): Promise<void> {
    const end = performance.now() + timeout;
    let isClosed = false;
    const ending = closed.then(() => {
      isClosed = true;
    });
    while (!isClosed && performance.now() < end) {
      const isIdle = this.workers.every((worker) => worker.chunks() === 0);
      if (isIdle && this.#redis.status !== "ready") return;
      await within(Math.min(POLL, end - performance.now()), ending);
    }
  }

  get #lastWords(): number {
    return this.#redis.status === "ready" ? LAST_WORDS : 0;
  }
}

/** Waits until `work` settles, but at most `milliseconds`. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const clock = new AbortController();
  await Promise.race([work.catch(() => {}), delay(milliseconds, undefined, { signal: clock.signal }).catch(() => {})]);
  clock.abort();
}
