export type { JobBackend, JobImage, JobRequest, JobResult, JobStatus } from "../models/jobs.js";
export { createServer } from "./create-server.js";
export type { ModelLoader, ModelOption, ModelSource, ServiceBlip, ServiceClip } from "./models.js";
export type { Limits, ServerOptions } from "./options.js";
export { clipBlipService } from "./plugin.js";
