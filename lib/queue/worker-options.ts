import {
  assertBoolean,
  assertFunction,
  assertInteger,
  assertOptions,
  assertSignal,
  assertStrings,
  invalidArgument,
} from "../common/validate.js";
import type { BlipModel } from "../models/blip/model.js";
import type { ClipModel } from "../models/clip/model.js";
import type { JobType } from "../models/jobs.js";
import type { QueueNames } from "./names.js";
import type { PictureAccess } from "./pictures.js";

/** Options of `startWorker`. */
export interface WorkerOptions extends QueueNames, PictureAccess {
  /** "redis://127.0.0.1:6379", or "rediss://…" for TLS; with user and password where there are some. */
  redis: string;
  /** For jobs on embeddings; without it they are left to other workers. Stays the caller's to close. */
  clip?: Pick<ClipModel, "encodeImages" | "capabilities">;
  /** For jobs on captions; without it they are left to other workers. Stays the caller's to close. */
  blip?: Pick<BlipModel, "caption" | "capabilities">;
  /** Pictures in work at a time, of each type. Default: twice what fits into a batch, so that the next one waits. */
  concurrency?: number;
  /** A JSON Lines file that takes the results instead of Redis; goes on where an earlier run stopped. */
  sink?: string;
  /** Milliseconds without a sign of life after which a worker's jobs go to others. Default 30,000. */
  stalledAfter?: number;
  /** Milliseconds that results in Redis are kept after the end of their job. Default a day. */
  resultTtl?: number;
  /** Stops the start: it rejects with `signal.reason`. */
  signal?: AbortSignal;
  /** Takes a line of what the operator should know: connections, retries, lost workers. */
  log?: (line: string) => void;
  /** Called for each picture that got its outcome here. */
  onPicture?: (type: JobType, outcome: "done" | "failed") => void;
  /** Called for each chunk (up to 16 pictures of a job) that ended here, with the seconds that it took. */
  onChunk?: (type: JobType, seconds: number) => void;
}

const OPTIONS = [
  "redis",
  "queue",
  "prefix",
  "roots",
  "allowRemote",
  "allowedAddresses",
  "clip",
  "blip",
  "concurrency",
  "sink",
  "stalledAfter",
  "resultTtl",
  "signal",
  "log",
  "onPicture",
  "onChunk",
] as const satisfies (keyof WorkerOptions)[];

/** @throws ClipBlipError ERR_INVALID_ARGUMENT */
export function assertWorkerOptions(options: WorkerOptions): void {
  assertOptions(options, "options", OPTIONS);
  if (!options.clip && !options.blip) throw invalidArgument("options.clip or options.blip", "a model", undefined);
  if (options.roots !== undefined) assertStrings(options.roots, "options.roots");
  if (options.allowedAddresses !== undefined) assertStrings(options.allowedAddresses, "options.allowedAddresses");
  if (options.sink !== undefined && typeof options.sink !== "string") {
    throw invalidArgument("options.sink", "the path of a file", options.sink);
  }
  assertBoolean(options.allowRemote, "options.allowRemote");
  assertInteger(options.concurrency, "options.concurrency", 1);
  assertInteger(options.stalledAfter, "options.stalledAfter", 500);
  assertInteger(options.resultTtl, "options.resultTtl", 1);
  assertSignal(options.signal, "options.signal");
  for (const name of ["log", "onPicture", "onChunk"] as const) assertFunction(options[name], `options.${name}`);
}
