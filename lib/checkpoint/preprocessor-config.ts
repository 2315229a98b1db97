import { ClipBlipError } from "../common/errors.js";
import type { NormalizePlan, ResizePlan } from "../native/types.js";
import { type Channels, ConfigFields, invalidConfig, type Size } from "./config-fields.js";

/** How decoded pixels become a model's input. */
export interface PreprocessPlan {
  resize: ResizePlan;
  normalize: NormalizePlan;
  /** Of the model's input, in pixels. */
  height: number;
  /** Of the model's input, in pixels. */
  width: number;
}

/** What an image processor of transformers does where its file says nothing. */
interface Defaults {
  size: Size;
  crop: boolean;
  /** A lone number as `size` means both sides. */
  square: boolean;
  mean: Channels;
  std: Channels;
}

const OPENAI_MEAN: Channels = [0.48145466, 0.4578275, 0.40821073];
const OPENAI_STD: Channels = [0.26862954, 0.26130258, 0.27577711];
const HALF: Channels = [0.5, 0.5, 0.5];

/** Whose image processor it is. */
type Architecture = "clip" | "siglip" | "blip";

const DEFAULTS: Record<Architecture, Defaults> = {
  clip: { size: { shortestEdge: 224 }, crop: true, square: false, mean: OPENAI_MEAN, std: OPENAI_STD },
  siglip: { size: { height: 224, width: 224 }, crop: false, square: false, mean: HALF, std: HALF },
  blip: { size: { height: 384, width: 384 }, crop: false, square: true, mean: OPENAI_MEAN, std: OPENAI_STD },
};

const CROP = { height: 224, width: 224 };
const BICUBIC = 3;

/** Pillow's numbers. Its 4 (box) and 5 (hamming) are not among the resamplers of the addon. */
const RESAMPLE: Record<string, ResizePlan["resample"]> = { 0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic" };

/**
 * Reads preprocessor_config.json as transformers' CLIPImageProcessor, SiglipImageProcessor and BlipImageProcessor do, in
 * its older forms (`"size": 224`) and its newer ones. `do_pad` is ignored: with one size for all pictures there is nothing to pad.
 *
 * @param architecture whose defaults hold where the file names no processor of theirs
 * @param imageSize height and width of the model's input, in pixels
 * @throws ERR_MODEL_INVALID for a malformed file, an unsupported resampler, or a size that can never be the model's
 */
export function readPreprocessorConfig(text: string, architecture: Architecture, imageSize: number): PreprocessPlan {
  const fields = new ConfigFields(text);
  const defaults = DEFAULTS[processorOf(fields, architecture)];
  const resize: ResizePlan = {
    resize: fields.boolean("do_resize", true) ? fields.size("size", defaults.size, defaults.square) : null,
    resample: fields.choice("resample", RESAMPLE, BICUBIC),
    crop: fields.boolean("do_center_crop", defaults.crop) ? cropSize(fields) : null,
  };
  checkOutput(resize, imageSize);
  return { resize, normalize: normalization(fields, defaults), height: imageSize, width: imageSize };
}

/**
 * Text of preprocessor_config.json for pictures of another size: what it does stays the same in proportion.
 *
 * @param architecture as in `readPreprocessorConfig`
 * @param from height and width of the model's input until now, in pixels
 * @param to height and width from now on, in pixels
 * @throws ERR_MODEL_INVALID as `readPreprocessorConfig`
 */
export function resizePreprocessorConfig(text: string, architecture: Architecture, from: number, to: number): string {
  const { resize, crop } = readPreprocessorConfig(text, architecture, from).resize;
  const scaled = (side: number) => Math.max(1, Math.round((side * to) / from));
  const config: Record<string, unknown> = JSON.parse(text);
  if (resize !== null) {
    config.size = "shortestEdge" in resize ? { shortest_edge: scaled(resize.shortestEdge) } : { height: to, width: to };
  }
  if (crop !== null) config.crop_size = { height: to, width: to };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/**
 * Checks a picture after resize and crop. Only a model whose processor does not fix the size can fail here.
 *
 * @throws ERR_INVALID_ARGUMENT where the picture has another size than the model's input
 */
export function assertModelSize(plan: PreprocessPlan, width: number, height: number): void {
  if (width === plan.width && height === plan.height) return;
  throw new ClipBlipError(
    "ERR_INVALID_ARGUMENT",
    `The picture has ${width} x ${height} pixels after preprocessing and the model takes ${plan.width} x ${plan.height}; ` +
      "its preprocessor does not bring every picture to that size, so resize or crop it before.",
  );
}

/**
 * Whether a picture is the model's input as it is: resize and crop would give the same pixels again.
 *
 * @param width of the picture, in pixels
 * @param height of the picture, in pixels
 */
export function isModelInput(plan: PreprocessPlan, width: number, height: number): boolean {
  if (width !== plan.width || height !== plan.height) return false;
  // A crop has the size of the model's input, or the file was refused.
  const { resize } = plan.resize;
  if (resize === null) return true;
  if ("shortestEdge" in resize) return resize.shortestEdge === Math.min(width, height);
  return resize.width === width && resize.height === height;
}

function processorOf(fields: ConfigFields, architecture: Architecture): Architecture {
  const type = fields.processorType().toLowerCase();
  if (type.startsWith("clip")) return "clip";
  if (type.startsWith("siglip2"))
    throw invalidConfig("keeps the proportions of pictures (NaFlex), which is not supported");
  if (type.startsWith("siglip")) return "siglip";
  return type.startsWith("blip") ? "blip" : architecture;
}

function cropSize(fields: ConfigFields): { height: number; width: number } {
  const size = fields.size("crop_size", CROP, true);
  if ("shortestEdge" in size) throw invalidConfig("has a crop_size without height and width");
  return size;
}

function normalization(fields: ConfigFields, defaults: Defaults): NormalizePlan {
  const normalize = fields.boolean("do_normalize", true);
  const std = fields.channels("image_std", defaults.std);
  if (std.some((value) => value === 0)) throw invalidConfig("has an image_std of zero");
  return {
    scale: fields.boolean("do_rescale", true) ? fields.positive("rescale_factor", 1 / 255) : 1,
    mean: normalize ? fields.channels("image_mean", defaults.mean) : [0, 0, 0],
    std: normalize ? std : [1, 1, 1],
  };
}

/** A crop or an exact resize must give the model's size; a shorter side, at least the right one. */
function checkOutput({ resize, crop }: ResizePlan, imageSize: number): void {
  const output = crop ?? resize;
  if (output === null) return;
  const sides = "shortestEdge" in output ? [output.shortestEdge] : [output.height, output.width];
  if (sides.every((side) => side === imageSize)) return;
  throw invalidConfig(
    `brings pictures to ${sides.join(" x ")} pixels, and the model takes ${imageSize} x ${imageSize}`,
  );
}
