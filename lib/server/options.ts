import type { RateLimitOptions } from "@fastify/rate-limit";
import type { FastifyServerOptions } from "fastify";
import { ClipBlipError } from "../common/errors.js";
import {
  assertArray,
  assertBoolean,
  assertFunction,
  assertInteger,
  assertOptions,
  invalidArgument,
} from "../common/validate.js";
import type { JobBackend } from "../models/jobs.js";
import type { LoadOptions } from "../models/load-options.js";
import { isModel, type ModelOption, type ServiceBlip, type ServiceClip } from "./models.js";

/** What one request may ask for; more is refused with 413 or 422. */
export interface Limits {
  /** Bytes of a body, all pictures together. Default 64 MiB. */
  bodyBytes: number;
  /** Bytes of all bodies that are being received or worked on; what comes beyond is refused with 429. Default 512 MiB. */
  pendingBytes: number;
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
  /** Beams, and captions, for a picture. Default 16. */
  beams: number;
  /** Words that captions are not to have. Default 100. */
  badWords: number;
  /** Pictures of a job. Default 10,000. */
  jobImages: number;
  /** Characters of a URI in a job. Default 2 Mi, which a data: URL of 1.5 MB has. */
  uriLength: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_LIMITS: Limits = {
  bodyBytes: 64 * MIB,
  pendingBytes: 512 * MIB,
  imageBytes: 20 * MIB,
  imagePixels: 50_000_000,
  images: 64,
  texts: 2048,
  textLength: 4096,
  labels: 1000,
  beams: 16,
  badWords: 100,
  jobImages: 10_000,
  uriLength: 2 * MIB,
};

/** Options of `createServer`. */
export interface ServerOptions {
  /**
   * The CLIP model: a source as for `ClipModel.load`; a function that loads one; one that is loaded and that its owner
   * closes; or false: none, and its routes are not there. Default: the environment's CLIP_MODEL, else "demo".
   */
  clip?: ModelOption<ServiceClip>;
  /** As `clip`, of the BLIP model and BLIP_MODEL. */
  blip?: ModelOption<ServiceBlip>;
  /** How both are loaded. */
  load?: Pick<
    LoadOptions,
    "device" | "dtype" | "maxBatchSize" | "memoryFraction" | "memoryLimit" | "releaseCache" | "idleUnload"
  >;
  /** Items that may wait for a model; the next request is refused with 429. Default 256. */
  maxQueue?: number;
  /** What one request may ask for. */
  limits?: Partial<Limits>;
  /**
   * What clients have to send as "Authorization: Bearer <token>" on every route but /health/…; a browser may send it as
   * the password of its login window. Default: none.
   */
  token?: string;
  /** Requests of one client address in a time: { max: 100, timeWindow: "1 minute" }. Default: no limit. */
  rateLimit?: Pick<RateLimitOptions, "max" | "timeWindow">;
  /** Fetch pictures by `http(s):` URL, from public addresses only. Default false. */
  allowRemote?: boolean;
  /** Addresses, or ranges such as "10.0.0.0/8", that are reached with `allowRemote` although they are not public. */
  allowedAddresses?: string[];
  /** Milliseconds that requests have to finish when the server closes. Default 25,000: Kubernetes kills after 30,000. */
  drainDeadline?: number;
  /** Called once when a device has failed for good: only a new process can use it. */
  onDeviceLost?: () => void;
  /** Where jobs go; without it the routes of jobs answer 503. The server closes it. */
  jobs?: JobBackend;
  /** As Fastify's option of this name: a pino logger's options, or false. Default: level "info" to standard output. */
  logger?: FastifyServerOptions["logger"];
}

const KEYS = [
  "clip",
  "blip",
  "load",
  "maxQueue",
  "limits",
  "token",
  "rateLimit",
  "allowRemote",
  "allowedAddresses",
  "drainDeadline",
  "onDeviceLost",
  "jobs",
  "logger",
] as const satisfies (keyof ServerOptions)[];

/** Options with every default filled in. */
export interface ServiceOptions extends ServerOptions {
  clip: ModelOption<ServiceClip>;
  blip: ModelOption<ServiceBlip>;
  load: NonNullable<ServerOptions["load"]>;
  maxQueue: number;
  limits: Limits;
  allowRemote: boolean;
  drainDeadline: number;
}

/** @throws ClipBlipError ERR_INVALID_ARGUMENT */
export function resolveOptions(options: ServerOptions): ServiceOptions {
  // Fastify adds "prefix" to the options of a plugin.
  assertOptions(options, "options", [...KEYS, "prefix"]);
  const { clip, blip, token, allowedAddresses } = options;
  for (const [name, model] of Object.entries({ clip, blip })) {
    if (model === undefined || model === false || typeof model === "function" || isModel(model)) continue;
    if (typeof model !== "string" || model === "") {
      throw invalidArgument(`options.${name}`, "a source, a function, a model or false", model);
    }
  }
  if (clip === false && blip === false) {
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", "options.clip and options.blip are both false: nothing is left");
  }
  if (token !== undefined && (typeof token !== "string" || token === "")) {
    // Never with the value in it.
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", "options.token has to be a string of at least one character");
  }
  assertInteger(options.maxQueue, "options.maxQueue", 1);
  assertInteger(options.drainDeadline, "options.drainDeadline", 0);
  assertFunction(options.onDeviceLost, "options.onDeviceLost");
  assertBoolean(options.allowRemote, "options.allowRemote");
  if (allowedAddresses !== undefined) assertArray(allowedAddresses, "options.allowedAddresses");
  assertOptions(options.limits, "options.limits", Object.keys(DEFAULT_LIMITS));
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  for (const [name, value] of Object.entries(limits)) assertInteger(value, `options.limits.${name}`, 1);
  return {
    ...options,
    clip: clip ?? (process.env.CLIP_MODEL || "demo"),
    blip: blip ?? (process.env.BLIP_MODEL || "demo"),
    load: options.load ?? {},
    maxQueue: options.maxQueue ?? 256,
    limits,
    allowRemote: options.allowRemote ?? false,
    drainDeadline: options.drainDeadline ?? 25_000,
  };
}
