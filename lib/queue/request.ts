import { ClipBlipError } from "../common/errors.js";
import { assertArray, assertBoolean, assertOneOf, assertOptions, invalidArgument } from "../common/validate.js";
import { isDataUrl } from "../input/picture-text.js";
import { assertEffective, assertGenerationOptions, GENERATION_OPTIONS } from "../models/blip/generation-options.js";
import type { JobRequest, JobType } from "../models/jobs.js";

/** A picture of a request. */
export interface Picture {
  /** Position in the request. */
  index: number;
  key: string;
  uri: string;
}

/** The options of jobs of one type. */
export type OptionsOf<T extends JobType> = NonNullable<Extract<JobRequest, { type: T }>["options"]>;

/** What a job does with its pictures. */
export type Task =
  | { type: "embeddings"; options: OptionsOf<"embeddings"> }
  | { type: "captions"; options: OptionsOf<"captions"> };

/** A valid request. */
export interface ParsedRequest {
  task: Task;
  pictures: Picture[];
}

/** Limits of a job. */
export interface RequestLimits {
  maxImages: number;
  /** Maximum total length of the `data:` URIs, in characters. */
  maxDataLength: number;
}

/** Maximum characters of a key, and of a URI other than a `data:` URI. */
const MAX_KEY_LENGTH = 2048;
const MAX_URI_LENGTH = 8192;

export const JOB_TYPES = ["embeddings", "captions"] as const satisfies JobType[];

/** @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_IMAGE_TOO_LARGE */
export function parseRequest(request: unknown, limits: RequestLimits): ParsedRequest {
  if (request === undefined) throw invalidArgument("request", "an object", request);
  assertOptions(request, "request", ["type", "images", "options"]);
  const { type, images, options = {} } = request as Record<string, unknown>;
  if (type === undefined) throw invalidArgument("request.type", '"embeddings" or "captions"', type);
  assertOneOf(type, "request.type", JOB_TYPES);
  return { task: parseTask(type as JobType, options), pictures: parsePictures(images, limits) };
}

function parseTask(type: JobType, options: unknown): Task {
  if (type === "embeddings") {
    assertOptions(options, "request.options", ["normalize"]);
    const checked = options as OptionsOf<"embeddings">;
    assertBoolean(checked.normalize, "request.options.normalize");
    return { type, options: checked };
  }
  assertOptions(options, "request.options", ["prompt", ...GENERATION_OPTIONS]);
  const checked = options as OptionsOf<"captions">;
  if (checked.prompt !== undefined && typeof checked.prompt !== "string") {
    throw invalidArgument("request.options.prompt", "a string", checked.prompt);
  }
  // Only the worker knows the model's context length.
  assertGenerationOptions(checked, Number.MAX_SAFE_INTEGER);
  // Nor does anyone here know its defaults: a job says by itself that it samples.
  assertEffective(checked, { doSample: checked.doSample ?? false, numBeams: checked.numBeams });
  return { type, options: checked };
}

function parsePictures(images: unknown, limits: RequestLimits): Picture[] {
  assertArray(images, "request.images");
  if (images.length === 0) throw invalidArgument("request.images", "at least one picture", images);
  if (images.length > limits.maxImages) {
    throw new ClipBlipError(
      "ERR_INVALID_ARGUMENT",
      `A job can have at most ${limits.maxImages} pictures, not ${images.length}: send several jobs`,
    );
  }
  const keys = new Set<string>();
  let dataLength = 0;
  // An index loop, because map skips the holes of a sparse array.
  const pictures: Picture[] = [];
  for (let index = 0; index < images.length; index++) {
    const picture = parsePicture(images[index], index);
    if (keys.has(picture.key)) {
      throw new ClipBlipError(
        "ERR_INVALID_ARGUMENT",
        `request.images[${index}] has the same key as an earlier picture: give each picture its own key`,
        { index },
      );
    }
    keys.add(picture.key);
    if (isDataUrl(picture.uri)) dataLength += picture.uri.length;
    pictures.push(picture);
  }
  if (dataLength > limits.maxDataLength) {
    throw new ClipBlipError(
      "ERR_IMAGE_TOO_LARGE",
      `The data: URIs of the job have ${dataLength} characters, more than the ${limits.maxDataLength} allowed: ` +
        "send several jobs, or use file: or http: URIs",
    );
  }
  return pictures;
}

function parsePicture(image: unknown, index: number): Picture {
  const name = `request.images[${index}]`;
  if (image === undefined) throw invalidArgument(name, "{key, uri}", image).at(index);
  assertOptions(image, name, ["key", "uri"]);
  const { key, uri } = image as Record<string, unknown>;
  const checked = checkUri(uri, `${name}.uri`, index);
  if (key === undefined) return { index, key: defaultKey(checked, index), uri: checked };
  if (typeof key !== "string" || key === "" || key.length > MAX_KEY_LENGTH) {
    throw invalidArgument(`${name}.key`, `a string of 1 to ${MAX_KEY_LENGTH} characters`, key).at(index);
  }
  return { index, key, uri: checked };
}

function checkUri(uri: unknown, name: string, index: number): string {
  if (typeof uri !== "string" || !/^(file|https?|data):/i.test(uri)) {
    throw invalidArgument(name, "a file:, http:, https: or data: URI", uri).at(index);
  }
  if (isDataUrl(uri)) return uri;
  if (uri.length > MAX_URI_LENGTH || !URL.canParse(uri)) {
    throw invalidArgument(name, `a valid URI of at most ${MAX_URI_LENGTH} characters`, uri).at(index);
  }
  return uri;
}

function defaultKey(uri: string, index: number): string {
  return isDataUrl(uri) || uri.length > MAX_KEY_LENGTH ? String(index) : uri;
}
