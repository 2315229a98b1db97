import type { Caption } from "./blip/caption.js";
import type { GenerationOptions } from "./blip/generation-options.js";

/** One picture of a job. */
export interface JobImage {
  /** Names the picture's result. Left out, it is the URI, and for a `data:` URL its position: "0", "1", … */
  key?: string;
  /** A `file:`, `data:` or, where the workers allow it, `http(s):` URL. */
  uri: string;
}

/** A batch of pictures for the workers. */
export type JobRequest =
  | { type: "embeddings"; images: JobImage[]; options?: { normalize?: boolean } }
  | { type: "captions"; images: JobImage[]; options?: GenerationOptions & { prompt?: string } };

/** What a job does with its pictures. */
export type JobType = JobRequest["type"];

/** What became of one picture. */
export type JobResult = { key: string } & (
  | { embedding: number[] }
  | { caption: Caption }
  | { error: { code: string; message: string } }
);

/** How far a job has come. */
export interface JobStatus {
  id: string;
  /** "waiting": no worker has it yet; "failed": it could not be worked on, which says nothing of single pictures. */
  state: "waiting" | "active" | "completed" | "failed";
  /** Pictures: with a result, without one for good, and in all. */
  progress: { done: number; failed: number; total: number };
  /** Once the job is completed, in the order of the request; without those that went to a sink of the workers. */
  results?: JobResult[];
}

/** Where the service puts jobs. Both calls may reject with a ClipBlipError. */
export interface JobBackend {
  enqueue(request: JobRequest): Promise<{ id: string }>;
  /** undefined: there is no such job, or not any more. */
  status(id: string): Promise<JobStatus | undefined>;
  /** Called once, when the server closes. */
  close(): Promise<void>;
}
