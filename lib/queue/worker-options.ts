import {
  assertBoolean,
  assertFunction,
  assertInteger,
  assertOptions,
  assertSignal,
  assertStrings,
  invalidArgument,
} from "../common/validate.js";
import type { ImageInput } from "../input/types.js";
import type { Caption } from "../models/blip/caption.js";
import type { BlipModel, CaptionOptions } from "../models/blip/model.js";
import type { ClipModel, EncodeImagesOptions } from "../models/clip/model.js";
import type { JobType } from "../models/jobs.js";
import type { QueueNames } from "./names.js";
import type { PictureAccess } from "./pictures.js";

/** What a worker uses of a CLIP model: its call with a list. */
export interface WorkerClip extends Pick<ClipModel, "capabilities"> {
  encodeImages(images: ImageInput[], options?: EncodeImagesOptions): Promise<Float32Array[]>;
}

/** What a worker uses of a BLIP model: its call with a list. */
export interface WorkerBlip extends Pick<BlipModel, "capabilities"> {
  caption(images: ImageInput[], options?: CaptionOptions): Promise<Caption[]>;
}

/** Options of `startWorker`. */
export interface WorkerOptions extends QueueNames, PictureAccess {
  /** "redis://127.0.0.1:6379", or "rediss://…" for TLS; with user and password if Redis needs them. */
  redis: string;
  /** For jobs of type "embeddings"; without it other workers do them. The caller closes it. */
  clip?: WorkerClip | undefined;
  /** For jobs of type "captions"; without it other workers do them. The caller closes it. */
  blip?: WorkerBlip | undefined;
  /** Maximum number of pictures of each type at a time. Default: two batches, so that the next one is ready. */
  concurrency?: number | undefined;
  /** A JSON Lines file for the results, instead of Redis. It is appended to, also across restarts. */
  sink?: string | undefined;
  /** Milliseconds of silence after which a worker's jobs go to others. Default 30,000. */
  stalledAfter?: number | undefined;
  /** Milliseconds for which results are kept in Redis after the end of their job. Default: one day. */
  resultTtl?: number | undefined;
  /** Aborts the start, which rejects with `signal.reason`. */
  signal?: AbortSignal | undefined;
  /** Called with lines for the operator: connections, retries, lost workers. */
  log?: ((line: string) => void) | undefined;
  /** Called for each picture that this worker has finished. */
  onPicture?: ((type: JobType, outcome: "done" | "failed") => void) | undefined;
  /** Called for each chunk (up to 16 pictures of a job) that this worker has finished, with the seconds it took. */
  onChunk?: ((type: JobType, seconds: number) => void) | undefined;
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
