import type { FastifyServerOptions } from "fastify";
import type { JobBackend } from "./jobs.js";

/** What one request may ask for; more is refused with 413 or 422. */
export interface Limits {
  /** Bytes of a body, all pictures together. Default 64 MiB. */
  bodyBytes: number;
  /** Bytes of one picture. Default 20 MiB. */
  imageBytes: number;
  /** Pixels of one picture. Default 50,000,000. */
  imagePixels: number;
  /** Pictures of a request. Default 64. */
  images: number;
  /** Texts of a request. Default 2048, as OpenAI's. */
  texts: number;
  /** Characters of a text or a label. Default 4096; the model reads the first of them only. */
  textLength: number;
  /** Labels of a classification. Default 1000. */
  labels: number;
  /** Pictures of a job. Default 10,000. */
  jobImages: number;
  /** Characters of a URI in a job. Default 2 Mi, which a data: URL of 1.5 MB has. */
  uriLength: number;
}

export const DEFAULT_LIMITS: Limits = {
  bodyBytes: 64 * 1024 * 1024,
  imageBytes: 20 * 1024 * 1024,
  imagePixels: 50_000_000,
  images: 64,
  texts: 2048,
  textLength: 4096,
  labels: 1000,
  jobImages: 10_000,
  uriLength: 2 * 1024 * 1024,
};

/** Options of `createServer`. */
export interface ServerOptions {
  /** Where jobs go; without it the routes of jobs answer 503. */
  jobs?: JobBackend;
  /** Fetch pictures by `http(s):` URL, from public addresses only. Default false. */
  allowRemote?: boolean;
  limits?: Partial<Limits>;
  /** As Fastify's option of this name: a pino logger's options, or false. Default: level "info" to standard output. */
  logger?: FastifyServerOptions["logger"];
}

/** Options with every default filled in. */
export interface ServiceOptions extends Omit<ServerOptions, "limits"> {
  limits: Limits;
  allowRemote: boolean;
}

export function resolveOptions(options: ServerOptions): ServiceOptions {
  return { ...options, allowRemote: options.allowRemote ?? false, limits: { ...DEFAULT_LIMITS, ...options.limits } };
}
