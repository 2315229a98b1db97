import { ClipBlipError } from "../common/errors.js";
import type { NormalizePlan, ResizePlan } from "../native/types.js";
import { invalidModel } from "./invalid.js";
import { JsonObject } from "./json.js";

/** How decoded pixels are turned into a model's input. */
export interface PreprocessPlan {
  resize: ResizePlan;
  normalize: NormalizePlan;
  /** Of the model's input, in pixels. */
  height: number;
  /** Of the model's input, in pixels. */
  width: number;
}

/** Red, green, blue. */
type Channels = [number, number, number];

/** In pixels. */
type Size = NonNullable<ResizePlan["resize"]>;

/** What a transformers image processor does by default. */
interface Defaults {
  size: Size;
  crop: boolean;
  /** Whether a single number as `size` means both sides. */
  square: boolean;
  mean: Channels;
  std: Channels;
}

const OPENAI_MEAN: Channels = [0.48145466, 0.4578275, 0.40821073];
const OPENAI_STD: Channels = [0.26862954, 0.26130258, 0.27577711];
const HALF: Channels = [0.5, 0.5, 0.5];

/** The architecture that an image processor belongs to. */
type Architecture = "clip" | "siglip" | "blip";

const DEFAULTS: Record<Architecture, Defaults> = {
  clip: { size: { shortestEdge: 224 }, crop: true, square: false, mean: OPENAI_MEAN, std: OPENAI_STD },
  siglip: { size: { height: 224, width: 224 }, crop: false, square: false, mean: HALF, std: HALF },
  blip: { size: { height: 384, width: 384 }, crop: false, square: true, mean: OPENAI_MEAN, std: OPENAI_STD },
};

const FILE = "preprocessor_config.json";

const CROP = { height: 224, width: 224 };
const BICUBIC = 3;

/** By Pillow's numbers. */
const RESAMPLE: Record<string, ResizePlan["resample"]> = {
  0: "nearest",
  1: "lanczos",
  2: "bilinear",
  3: "bicubic",
  4: "box",
  5: "hamming",
};

/**
 * Reads preprocessor_config.json as transformers' CLIPImageProcessor, SiglipImageProcessor and BlipImageProcessor do,
 * in its older forms (`"size": 224`) and its newer ones. `do_pad` is ignored: all pictures have the same size, so there
 * is nothing to pad.
 *
 * @param architecture whose defaults apply if the file names no known processor
 * @param imageSize height and width of the model's input, in pixels
 * @throws ERR_MODEL_INVALID for a malformed file, an unsupported resampler, or a size that does not fit the model
 */
export function readPreprocessorConfig(text: string, architecture: Architecture, imageSize: number): PreprocessPlan {
  const fields = JsonObject.parse(text, FILE);
  const defaults = DEFAULTS[processorOf(fields, architecture)];
  const resize: ResizePlan = {
    resize: isOn(fields, "do_resize", true) ? readSize(fields, "size", defaults.size, defaults.square) : null,
    resample: readResample(fields),
    crop: isOn(fields, "do_center_crop", defaults.crop) ? cropSize(fields) : null,
  };
  checkOutput(resize, imageSize);
  return { resize, normalize: normalization(fields, defaults), height: imageSize, width: imageSize };
}

/**
 * Adapts preprocessor_config.json to another image size, keeping the proportions of resize and crop.
 *
 * @param architecture as in `readPreprocessorConfig`
 * @param from current height and width of the model's input, in pixels
 * @param to new height and width, in pixels
 * @throws ERR_MODEL_INVALID as `readPreprocessorConfig`
 */
export function resizePreprocessorConfig(text: string, architecture: Architecture, from: number, to: number): string {
  const { resize, crop } = readPreprocessorConfig(text, architecture, from).resize;
  const scaled = (side: number) => Math.max(1, Math.round((side * to) / from));
  const config: Record<string, unknown> = JSON.parse(text);
  if (resize !== null) {
    config.size = "shortestEdge" in resize ? scaledEdges(resize, scaled) : { height: to, width: to };
  }
  if (crop !== null) config.crop_size = { height: to, width: to };
  return `${JSON.stringify(config, null, 2)}\n`;
}

function scaledEdges(
  { shortestEdge, longestEdge }: Extract<Size, { shortestEdge: number }>,
  scaled: (side: number) => number,
): object {
  const longest = longestEdge === undefined ? {} : { longest_edge: scaled(longestEdge) };
  return { shortest_edge: scaled(shortestEdge), ...longest };
}

/**
 * Checks the size of a picture after resize and crop. Fails only for models whose processor does not enforce the size.
 *
 * @throws ERR_INVALID_ARGUMENT if the picture does not have the size of the model's input
 */
export function assertModelSize(plan: PreprocessPlan, width: number, height: number): void {
  if (width === plan.width && height === plan.height) return;
  throw new ClipBlipError(
    "ERR_INVALID_ARGUMENT",
    `The picture has ${width} x ${height} pixels after preprocessing, but the model takes ${plan.width} x ${plan.height}. ` +
      "The model's preprocessor does not change that size: resize or crop the picture first.",
  );
}

/**
 * Whether a picture already is the model's input: resize and crop would not change it.
 *
 * @param width of the picture, in pixels
 * @param height of the picture, in pixels
 */
export function isModelInput(plan: PreprocessPlan, width: number, height: number): boolean {
  if (width !== plan.width || height !== plan.height) return false;
  // A crop always has the size of the model's input; other files were rejected.
  const { resize } = plan.resize;
  if (resize === null) return true;
  if ("shortestEdge" in resize) {
    const { shortestEdge, longestEdge = Number.POSITIVE_INFINITY } = resize;
    return shortestEdge === Math.min(width, height) && Math.max(width, height) <= longestEdge;
  }
  return resize.width === width && resize.height === height;
}

function processorOf(fields: JsonObject, architecture: Architecture): Architecture {
  const name = fields.raw("image_processor_type") ?? fields.raw("feature_extractor_type");
  const type = typeof name === "string" ? name.toLowerCase() : "";
  if (type.startsWith("clip")) return "clip";
  if (type.startsWith("siglip2"))
    throw invalidConfig("describes a NaFlex model, which keeps the proportions of pictures and is not supported");
  if (type.startsWith("siglip")) return "siglip";
  return type.startsWith("blip") ? "blip" : architecture;
}

function cropSize(fields: JsonObject): { height: number; width: number } {
  const size = readSize(fields, "crop_size", CROP, true);
  if ("shortestEdge" in size) throw invalidConfig("has a crop_size without height and width");
  return size;
}

function normalization(fields: JsonObject, defaults: Defaults): NormalizePlan {
  const normalize = isOn(fields, "do_normalize", true);
  const std = readChannels(fields, "image_std", defaults.std);
  if (std.some((value) => value === 0)) throw invalidConfig("has an image_std of zero");
  return {
    scale: isOn(fields, "do_rescale", true)
      ? fields.number("rescale_factor", { fallback: 1 / 255, min: Number.MIN_VALUE })
      : 1,
    mean: normalize ? readChannels(fields, "image_mean", defaults.mean) : [0, 0, 0],
    std: normalize ? std : [1, 1, 1],
  };
}

/** A crop or exact resize must give the model's size; for a resize of the shorter side, that side must. */
function checkOutput({ resize, crop }: ResizePlan, imageSize: number): void {
  const output = crop ?? resize;
  if (output === null) return;
  const sides = "shortestEdge" in output ? [output.shortestEdge] : [output.height, output.width];
  if (sides.every((side) => side === imageSize)) return;
  throw invalidConfig(
    `resizes pictures to ${sides.join(" x ")} pixels, but the model takes ${imageSize} x ${imageSize}`,
  );
}

/** A boolean; null means false. */
function isOn(fields: JsonObject, key: string, byDefault: boolean): boolean {
  return fields.boolean(key, fields.has(key) ? false : byDefault);
}

function readResample(fields: JsonObject): ResizePlan["resample"] {
  const value = fields.raw("resample") ?? BICUBIC;
  if (typeof value === "number" && Object.hasOwn(RESAMPLE, value)) return RESAMPLE[value]!;
  throw fields.wrong("resample", `one of ${Object.keys(RESAMPLE).join(", ")}`, value);
}

/** Three numbers, or one number for all channels. */
function readChannels(fields: JsonObject, key: string, byDefault: Channels): Channels {
  const value = fields.raw(key) ?? byDefault;
  const three = typeof value === "number" ? [value, value, value] : value;
  if (Array.isArray(three) && three.length === 3 && three.every(Number.isFinite)) return three as Channels;
  throw fields.wrong(key, "three numbers", value);
}

/**
 * A size in any form that a version of transformers writes: a number, [height, width], {height, width},
 * {shortest_edge} or {shortest_edge, longest_edge}.
 * @param square whether a single number means both sides or the shorter one
 */
function readSize(fields: JsonObject, key: string, byDefault: Size, square: boolean): Size {
  const value = fields.raw(key);
  if (value === undefined) return byDefault;
  if (isSide(value)) return square ? { height: value, width: value } : { shortestEdge: value };
  const sides = Array.isArray(value) && value.length === 2 ? { height: value[0], width: value[1] } : value;
  if (typeof sides === "object" && !Array.isArray(sides)) {
    const { shortest_edge, longest_edge, height, width, ...rest } = sides as Record<string, unknown>;
    const others = Object.values(rest).some((other) => other !== null);
    if (!others && isSide(shortest_edge) && height == null && width == null) {
      if (longest_edge == null) return { shortestEdge: shortest_edge };
      if (isSide(longest_edge)) return { shortestEdge: shortest_edge, longestEdge: longest_edge };
    }
    if (!others && shortest_edge == null && longest_edge == null && isSide(height) && isSide(width)) {
      return { height, width };
    }
  }
  throw fields.wrong(
    key,
    "a side in pixels, [height, width], {height, width}, {shortest_edge} or {shortest_edge, longest_edge}",
    value,
  );
}

function isSide(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= 65_536;
}

function invalidConfig(what: string): ClipBlipError {
  return invalidModel(`${FILE} ${what}`);
}
