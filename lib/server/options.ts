import type { RateLimitOptions } from "@fastify/rate-limit";
import type { FastifyServerOptions } from "fastify";
import { ClipBlipError } from "../common/errors.js";
import {
  assertBoolean,
  assertFunction,
  assertInteger,
  assertOptions,
  assertStrings,
  invalidArgument,
} from "../common/validate.js";
import type { JobBackend } from "../models/jobs.js";
import { assertLoadOptions, assertNames, type LoadOptions } from "../models/load-options.js";
import { isModel, type ModelOption, type ServiceBlip, type ServiceClip } from "./models.js";

/** Limits of a request; a request that exceeds them is refused with 413 or 422. */
export interface Limits {
  /** Maximum bytes of a body, with all pictures. Default 64 MiB. */
  bodyBytes: number;
  /** Maximum bytes of all bodies in memory; further requests are refused with 429. Default 512 MiB. */
  pendingBytes: number;
  /** Maximum bytes of a picture. Default 20 MiB. */
  imageBytes: number;
  /** Maximum pixels of a picture. Default 50,000,000. */
  imagePixels: number;
  /** Maximum number of pictures in a request. Default 64. */
  images: number;
  /** Maximum number of texts in a request. Default 2048, like OpenAI's. */
  texts: number;
  /** Maximum characters of a text or label. Default 4096; the model reads only the first tokens. */
  textLength: number;
  /** Maximum number of labels in a classification. Default 1000. */
  labels: number;
  /** Maximum number of beams, and of captions, for a picture. Default 16. */
  beams: number;
  /** Maximum number of words and phrases in `badWords`. Default 100. */
  badWords: number;
  /** Maximum number of pictures in a job. Default 10,000. */
  jobImages: number;
  /** Maximum characters of a URI in a job. Default 2 Mi, a data: URL of 1.5 MB. */
  uriLength: number;
}

const MIB = 1024 * 1024;

const DEFAULT_LIMITS: Limits = {
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
   * The CLIP model: a source for `ClipModel.load`, alone or as { source, revision, subfolder }, a function that loads a
   * model, or a loaded one, which the caller closes. false: no model and none of its routes. Default: the environment
   * variable CLIP_MODEL, else "demo".
   */
  clip?: ModelOption<ServiceClip> | undefined;
  /** The BLIP model, in the same way, with the environment variable BLIP_MODEL. */
  blip?: ModelOption<ServiceBlip> | undefined;
  /** Options for loading both models. */
  load?:
    | Pick<
        LoadOptions,
        "device" | "dtype" | "maxBatchSize" | "memoryFraction" | "memoryLimit" | "releaseCache" | "idleUnload"
      >
    | undefined;
  /** Maximum number of items waiting for a model; further requests are refused with 429. Default 256. */
  maxQueue?: number | undefined;
  /** Limits of a request. */
  limits?: { [Name in keyof Limits]?: Limits[Name] | undefined } | undefined;
  /**
   * Token that clients must send as "Authorization: Bearer <token>" on every route but /health/…. In a browser it is
   * the password of the login window. Default: none.
   */
  token?: string | undefined;
  /** Maximum number of requests from a client address: { max: 100, timeWindow: "1 minute" }. Default: no limit. */
  rateLimit?: Pick<RateLimitOptions, "max" | "timeWindow"> | undefined;
  /** Fetch pictures by `http(s):` URL, from public addresses only. Default false. */
  allowRemote?: boolean | undefined;
  /** Addresses or ranges that `allowRemote` includes although they are not public, such as "10.0.0.0/8". */
  allowedAddresses?: string[] | undefined;
  /**
   * Milliseconds for running requests to finish when the server closes. Default 25,000; Kubernetes kills after 30,000.
   */
  drainDeadline?: number | undefined;
  /** Called once, when a device is lost. Only a new process can use it again. */
  onDeviceLost?: (() => void) | undefined;
  /** The queue for jobs, which the server closes. Default: none, so that posting a job answers 503. */
  jobs?: JobBackend | undefined;
  /** Fastify's option `logger`: options of pino, or false. Default: level "info", on standard output. */
  logger?: FastifyServerOptions["logger"] | undefined;
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
  // Those of Fastify's own for a plugin come with it.
  assertOptions(options, "options", [...KEYS, "prefix", "logLevel", "logSerializers"]);
  const { clip, blip, token, allowedAddresses } = options;
  for (const [name, model] of Object.entries({ clip, blip })) {
    if (model === undefined || model === false || typeof model === "function" || isModel(model)) continue;
    const source = typeof model === "object" ? model?.source : model;
    if (typeof source !== "string" || source === "") {
      throw invalidArgument(`options.${name}`, "a source, a function, a model or false", model);
    }
    if (typeof model !== "object") continue;
    assertOptions(model, `options.${name}`, ["source", "revision", "subfolder"]);
    assertNames(model, `options.${name}`);
  }
  if (clip === false && blip === false) {
    throw new ClipBlipError(
      "ERR_INVALID_ARGUMENT",
      "options.clip and options.blip are both false: the service needs at least one model",
    );
  }
  if (token !== undefined && (typeof token !== "string" || token === "")) {
    // The message does not show the value, which is a secret.
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", "options.token must be a string of at least one character");
  }
  assertInteger(options.maxQueue, "options.maxQueue", 1);
  assertInteger(options.drainDeadline, "options.drainDeadline", 0);
  assertFunction(options.onDeviceLost, "options.onDeviceLost");
  assertBoolean(options.allowRemote, "options.allowRemote");
  if (allowedAddresses !== undefined) assertStrings(allowedAddresses, "options.allowedAddresses");
  assertLoad(options.load);
  assertRateLimit(options.rateLimit);
  assertOptions(options.limits, "options.limits", Object.keys(DEFAULT_LIMITS));
  const limits = { ...DEFAULT_LIMITS };
  for (const name of Object.keys(limits) as (keyof Limits)[]) {
    const given = options.limits?.[name];
    assertInteger(given, `options.limits.${name}`, 1);
    // An undefined one must not take the place of the default.
    if (given !== undefined) limits[name] = given;
  }
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

const LOAD_KEYS = [
  "device",
  "dtype",
  "maxBatchSize",
  "memoryFraction",
  "memoryLimit",
  "releaseCache",
  "idleUnload",
] as const satisfies (keyof NonNullable<ServerOptions["load"]>)[];

/** Checked here and not when the models load, because that is in the background. */
function assertLoad(load: ServerOptions["load"]): void {
  assertOptions(load, "options.load", LOAD_KEYS);
  if (load) assertLoadOptions(load, "blip", "options.load");
}

function assertRateLimit(limit: ServerOptions["rateLimit"]): void {
  assertOptions(limit, "options.rateLimit", ["max", "timeWindow"]);
  const { max, timeWindow } = limit ?? {};
  if (typeof max !== "function") assertInteger(max, "options.rateLimit.max", 1);
  if (typeof timeWindow !== "string" && typeof timeWindow !== "function") {
    assertInteger(timeWindow, "options.rateLimit.timeWindow", 1);
  }
}
