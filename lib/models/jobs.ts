import type { Caption } from "./blip/caption.js";
import type { GenerationOptions } from "./blip/generation-options.js";

/** One picture of a job. */
export interface JobImage {
  /** Identifies the picture's result. Default: the URI; for a `data:` URL, its position "0", "1", … */
  key?: string;
  /** A `file:` or `data:` URL, or an `http(s):` URL if the workers allow it. */
  uri: string;
}

/** A batch of pictures for the workers. */
export type JobRequest =
  | { type: "embeddings"; images: JobImage[]; options?: { normalize?: boolean } }
  | { type: "captions"; images: JobImage[]; options?: GenerationOptions & { prompt?: string } };

/** What a job does with its pictures. */
export type JobType = JobRequest["type"];

/** The result of one picture. */
export type JobResult = { key: string } & (
  | { embedding: number[] }
  | { caption: Caption }
  | { error: { code: string; message: string } }
);

/** How far a job has come. */
export interface JobStatus {
  id: string;
  /**
   * "waiting": no worker has picked it up yet. "failed": the job as a whole failed; this says nothing about single
   * pictures.
   */
  state: "waiting" | "active" | "completed" | "failed";
  /** Numbers of pictures: `done` have a result, `failed` will never have one. */
  progress: { done: number; failed: number; total: number };
  /**
   * Present once the job is completed, in the order of the request; without results that the workers wrote to a sink.
   */
  results?: JobResult[];
}

/** Where the server puts jobs. `enqueue` and `status` may reject with a ClipBlipError. */
export interface JobBackend {
  enqueue(request: JobRequest): Promise<{ id: string }>;
  /** Undefined if the job does not exist, or no longer exists. */
  status(id: string): Promise<JobStatus | undefined>;
  /** Called once, when the server closes. */
  close(): Promise<void>;
}
