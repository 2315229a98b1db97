export type { JobBackend, JobImage, JobRequest, JobResult, JobStatus } from "../server/jobs.js";
export { createJobBackend, type JobBackendOptions } from "./backend.js";
export { type JobWorker, startWorker } from "./worker.js";
export type { WorkerOptions } from "./worker-options.js";
