export type { JobBackend, JobImage, JobRequest, JobResult, JobStatus } from "../models/jobs.js";
export { createJobBackend, type JobBackendOptions } from "./backend.js";
export { type JobWorker, startWorker } from "./worker.js";
export type { WorkerOptions } from "./worker-options.js";
