import { randomUUID } from "node:crypto";
import type { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { ClipBlipError, messageOf } from "../common/errors.js";
import { assertFunction, assertInteger, assertOptions } from "../common/validate.js";
import type { JobBackend, JobRequest, JobStatus, JobType } from "../models/jobs.js";
import { type Chunk, splitIntoChunks } from "./chunks.js";
import { Names, type QueueNames } from "./names.js";
import { connect, queuePackages } from "./redis.js";
import { JOB_TYPES, parseRequest, type RequestLimits } from "./request.js";
import { JobStore } from "./store.js";

/** Options of `createJobBackend`. */
export interface JobBackendOptions extends QueueNames {
  /** "redis://127.0.0.1:6379", or "rediss://…" for TLS; with user and password if Redis needs them. */
  redis: string;
  /** Maximum number of pictures in a job. Default 10,000. */
  maxImages?: number | undefined;
  /** Maximum total length of the `data:` URIs of a job, in characters. Default 64 Mi. */
  maxDataLength?: number | undefined;
  /**
   * Number of waiting chunks (of up to 16 pictures) at which new jobs are refused with ERR_QUEUE_FULL. Default 10,000.
   */
  maxQueue?: number | undefined;
  /** Maximum number of tries after temporary failures, such as a server that does not answer. Default 5. */
  attempts?: number | undefined;
  /** Milliseconds before the second try; doubled before each further one. Default 1000. */
  backoff?: number | undefined;
  /** Milliseconds for which results are kept after the end of their job. Default: one day. */
  resultTtl?: number | undefined;
  /** Called with a line when the connection is made, lost and made again. */
  log?: ((line: string) => void) | undefined;
}

const OPTIONS = [
  "redis",
  "queue",
  "prefix",
  "maxImages",
  "maxDataLength",
  "maxQueue",
  "attempts",
  "backoff",
  "resultTtl",
  "log",
] as const satisfies (keyof JobBackendOptions)[];

export const DAY = 24 * 3600 * 1000;

/**
 * A job queue in Redis: takes jobs for the workers, and gives their progress and results. Does not wait for the
 * connection; calls reject with ERR_QUEUE_UNAVAILABLE while there is none.
 * @example
 * ```ts
 * const jobs = await createJobBackend({ redis: "redis://127.0.0.1:6379" });
 * const { id } = await jobs.enqueue({ type: "captions", images: [{ uri: "file:///photos/a.jpg" }] });
 * const { state, progress, results } = (await jobs.status(id))!;
 * ```
 * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_MODULE_NOT_FOUND
 */
export async function createJobBackend(options: JobBackendOptions): Promise<JobBackend> {
  assertOptions(options, "options", OPTIONS);
  for (const name of ["maxImages", "maxDataLength", "maxQueue", "attempts", "backoff", "resultTtl"] as const) {
    assertInteger(options[name], `options.${name}`, 1);
  }
  assertFunction(options.log, "options.log");
  const names = new Names(options);
  const redis = await connect({ url: options.redis, waits: false, log: options.log ?? (() => {}) });
  const { Queue } = await queuePackages();
  const queues = Object.fromEntries(
    JOB_TYPES.map((type) => {
      const queue = new Queue<Chunk>(names.bullQueue(type), {
        connection: redis,
        prefix: names.prefix,
        skipWaitingForReady: true,
      });
      // A lost connection is logged where it is made, and makes calls reject.
      queue.on("error", () => {});
      return [type, queue];
    }),
  ) as Record<JobType, Queue<Chunk>>;
  return new RedisJobBackend(redis, names, queues, options);
}

class RedisJobBackend implements JobBackend {
  readonly #redis: Redis;
  readonly #queues: Record<JobType, Queue<Chunk>>;
  readonly #store: JobStore;
  readonly #limits: RequestLimits;
  readonly #options: JobBackendOptions;
  #closing: Promise<void> | undefined;

  constructor(redis: Redis, names: Names, queues: Record<JobType, Queue<Chunk>>, options: JobBackendOptions) {
    const { maxImages = 10_000, maxDataLength = 64 * 1024 * 1024, resultTtl = DAY } = options;
    this.#redis = redis;
    this.#queues = queues;
    this.#store = new JobStore(redis, names, resultTtl);
    this.#limits = { maxImages, maxDataLength };
    this.#options = options;
  }

  async enqueue(request: JobRequest): Promise<{ id: string }> {
    const parsed = parseRequest(request, this.#limits);
    const queue = this.#queues[parsed.task.type];
    const { maxQueue = 10_000, attempts = 5, backoff = 1000 } = this.#options;
    return this.#ask(async () => {
      const waiting = await queue.getJobCountByTypes("wait", "delayed", "prioritized");
      if (waiting >= maxQueue) {
        throw new ClipBlipError(
          "ERR_QUEUE_FULL",
          `The job queue is full, with ${waiting} chunks waiting for workers: try again later`,
        );
      }
      const id = randomUUID();
      await this.#store.create(id, parsed);
      const chunks = splitIntoChunks(id, parsed.task, parsed.pictures);
      try {
        await queue.addBulk(
          chunks.map((data, position) => ({
            name: parsed.task.type,
            data,
            opts: {
              // Makes it one job even if it is sent twice because the first answer was lost.
              jobId: `${id}-${position}`,
              attempts,
              backoff: { type: "exponential", delay: backoff, jitter: 0.5 },
              removeOnComplete: true,
              removeOnFail: { age: (7 * DAY) / 1000, count: 1000 },
            },
          })),
        );
      } catch (error) {
        await this.#store.remove(id).catch(() => {});
        throw error;
      }
      return { id };
    });
  }

  async status(id: string): Promise<JobStatus | undefined> {
    return this.#ask(() => this.#store.status(id));
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.allSettled(Object.values(this.#queues).map((queue) => queue.close()));
      this.#redis.disconnect();
    })();
    return this.#closing;
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    if (this.#closing) throw new ClipBlipError("ERR_CLOSED", "The job backend was closed");
    try {
      return await question();
    } catch (error) {
      if (error instanceof ClipBlipError) throw error;
      const text = messageOf(error);
      throw text.startsWith("OOM")
        ? new ClipBlipError("ERR_QUEUE_FULL", "Redis is out of memory: try again later", { cause: error })
        : new ClipBlipError("ERR_QUEUE_UNAVAILABLE", "The job queue cannot be reached: try again later", {
            cause: error,
          });
    }
  }
}
