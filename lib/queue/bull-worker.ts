import { hostname } from "node:os";
import type { Job } from "bullmq";
import type { Redis } from "ioredis";
import { asClipBlipError } from "../common/errors.js";
import type { JobType } from "../models/jobs.js";
import { type ChunkRunner, UnfinishedError } from "./chunk-runner.js";
import type { Chunk } from "./chunks.js";
import { Intake } from "./intake.js";
import type { Names } from "./names.js";
import { queuePackages } from "./redis.js";
import { endsWorker } from "./verdict.js";

/** How chunks of one type are taken. */
export interface BullWorkerOptions {
  type: JobType;
  redis: Redis;
  names: Names;
  runner: ChunkRunner;
  /** Number of pictures in progress at which no further chunk is taken. */
  target: number;
  /** Milliseconds. */
  stalledAfter: number;
  /** Aborted when no further picture may be started. */
  stop: AbortSignal;
  log: (line: string) => void;
  onChunk: (seconds: number) => void;
  /** Called when the process cannot continue. */
  onFailure: (error: Error) => void;
}

/** Milliseconds before a worker asks Redis again after an error. */
const RETRY_DELAY = 1000;

/** Errors of a lost connection, which is logged once, where the connection is made. */
const CONNECTION = /Connection is closed|ECONN|EPIPE|ETIMEDOUT|EAI_AGAIN|ENOTFOUND|READONLY|LOADING|Command aborted/;

/** Takes chunks until it is closed. */
export interface BullWorker {
  /** Number of chunks in progress. */
  chunks: () => number;
  /** Takes no more chunks. Resolves when those in progress have ended and Redis knows it. */
  close: () => Promise<void>;
}

/** Takes chunks of one type from BullMQ, and reports to it how they ended. */
export async function runBullWorker(options: BullWorkerOptions): Promise<BullWorker> {
  const { type, redis, names, runner, target, stalledAfter, log, onFailure } = options;
  const { Worker, WaitingError } = await queuePackages();
  const handBack = async (job: Job<Chunk>, token: string | undefined): Promise<never> => {
    await job.moveToWait(token);
    throw new WaitingError();
  };
  const process = async (job: Job<Chunk>, token?: string): Promise<void> => {
    const began = performance.now();
    try {
      await runner.run(job.data, {
        last: job.attemptsMade + 1 >= (job.opts.attempts ?? 1),
        careful: job.data.careful === true || job.stalledCounter > 0,
        signal: options.stop,
      });
      options.onChunk((performance.now() - began) / 1000);
    } catch (error) {
      if (endsWorker(error)) {
        await job.updateData({ ...job.data, careful: true });
        return await handBack(job, token);
      }
      if (error instanceof UnfinishedError || options.stop.aborted) return await handBack(job, token);
      throw error;
    } finally {
      intake.left(job);
    }
  };
  const worker = new Worker<Chunk>(names.bullQueue(type), process, {
    connection: redis,
    prefix: names.prefix,
    name: `${hostname()}-${globalThis.process.pid}`,
    autorun: false,
    lockDuration: stalledAfter,
    stalledInterval: stalledAfter,
    runRetryDelay: RETRY_DELAY,
    // Workers are lost for many reasons; the runner finds out whether a picture is to blame.
    maxStalledCount: Number.MAX_SAFE_INTEGER,
  });
  const intake = new Intake(worker, target);
  worker.on("error", (error) => {
    if (!CONNECTION.test(error.message)) log(`${type}: ${error.message}`);
  });
  worker.on("stalled", (id) => log(`${type}: chunk ${id} was left by a lost worker and is waiting for another`));
  worker.on("failed", (job, error) => {
    if (!job) return;
    if (job.finishedOn === undefined) {
      log(`${type}: chunk ${job.id} will be retried in ${(job.delay / 1000).toFixed(1)} s: ${error.message}`);
      return;
    }
    log(`${type}: chunk ${job.id} failed: ${error.message}`);
    runner.abandon(job.data, asClipBlipError(error)).catch((failure) => log(`${type}: ${failure.message}`));
  });
  worker.run().catch(onFailure);
  return { chunks: () => intake.chunks, close: () => worker.close() };
}
