import { invalidModel } from "../invalid.js";
import type { JsonObject } from "../json.js";
import type { ParameterBuilder } from "./parameters.js";

/** The sizes of a transformer tower. */
export interface TowerSizes {
  layers: number;
  heads: number;
  width: number;
  /** Width between the two linear layers of the feed-forward part. */
  hidden: number;
  /** Added to the variance in layer norms. */
  epsilon: number;
  /** Name of the activation function in transformers. */
  activation: string;
}

/**
 * Reads the sizes of a tower from its part of config.json.
 * @param defaults those of the class in transformers
 * @throws ClipBlipError ERR_MODEL_INVALID for an invalid value, and if the heads do not divide the width
 */
export function readTowerSizes(config: JsonObject, defaults: TowerSizes): TowerSizes {
  const width = config.integer("hidden_size", { fallback: defaults.width, min: 1 });
  const heads = config.integer("num_attention_heads", { fallback: defaults.heads, min: 1 });
  if (width % heads !== 0) {
    throw invalidModel(`${config.where}: hidden_size ${width} is not a multiple of num_attention_heads ${heads}`);
  }
  return {
    layers: config.integer("num_hidden_layers", { fallback: defaults.layers, min: 1 }),
    heads,
    width,
    hidden: config.integer("intermediate_size", { fallback: defaults.hidden, min: 1 }),
    epsilon: config.number("layer_norm_eps", { fallback: defaults.epsilon, min: 0 }),
    activation: config.text("hidden_act", defaults.activation),
  };
}

/** Where a pre-norm encoder keeps its tensors. */
export interface EncoderNames {
  /** Prefix of the parameters' names in the TorchScript module. */
  prefix: "vision" | "text";
  /** Path of the list of layers in the checkpoint. */
  path: string;
  /** Modules of a layer's queries, keys and values, or one module with all three. Default: CLIP's names. */
  qkv?: string[];
  /** Module of a layer's attention output projection. */
  out: string;
}

/**
 * Adds the layers of a pre-norm encoder, such as both towers of CLIP and BLIP's image tower.
 * @throws ClipBlipError ERR_MODEL_INVALID if a tensor is missing or has another shape
 */
export function addEncoderLayers(builder: ParameterBuilder, sizes: TowerSizes, names: EncoderNames): void {
  const { layers, width, hidden } = sizes;
  const { prefix, path, qkv = ["q_proj", "k_proj", "v_proj"], out } = names;
  const at = (layer: number, module: string) => `${path}.${layer}.${module}`;
  builder.stackedNorm(`${prefix}_norm1`, layers, (i) => at(i, "layer_norm1"), width);
  builder.stackedLinear(
    `${prefix}_qkv`,
    layers,
    (i) => qkv.map((module) => at(i, `self_attn.${module}`)),
    (3 / qkv.length) * width,
    width,
  );
  builder.stackedLinear(`${prefix}_out`, layers, (i) => [at(i, `self_attn.${out}`)], width, width);
  builder.stackedNorm(`${prefix}_norm2`, layers, (i) => at(i, "layer_norm2"), width);
  builder.stackedLinear(`${prefix}_up`, layers, (i) => [at(i, "mlp.fc1")], hidden, width);
  builder.stackedLinear(`${prefix}_down`, layers, (i) => [at(i, "mlp.fc2")], width, hidden);
}

/** Sizes of an image tower's input. */
export interface PatchGrid {
  /** Side of the picture, in pixels. */
  imageSize: number;
  /** Side of a patch, in pixels. */
  patchSize: number;
  /** Side of the picture, in patches. */
  side: number;
  /** Number of tokens of a picture: one for each patch, and one before them. */
  tokens: number;
}

/**
 * Reads the sizes of pictures and patches from the image part of config.json.
 * @throws ClipBlipError ERR_MODEL_INVALID for an invalid value, and if pictures are not square or not RGB
 */
export function readPatchGrid(config: JsonObject, defaults: Pick<PatchGrid, "imageSize" | "patchSize">): PatchGrid {
  const imageSize = readSide(config, "image_size", defaults.imageSize);
  const patchSize = readSide(config, "patch_size", defaults.patchSize);
  if (patchSize > imageSize) {
    throw invalidModel(`${config.where}: patch_size ${patchSize} is larger than image_size ${imageSize}`);
  }
  config.integer("num_channels", { fallback: 3, min: 3, max: 3 });
  const side = Math.floor(imageSize / patchSize);
  return { imageSize, patchSize, side, tokens: side ** 2 + 1 };
}

/** Reads a number, or a list of equal height and width. */
function readSide(config: JsonObject, key: string, fallback: number): number {
  const value = config.raw(key) ?? fallback;
  const size = Array.isArray(value) && value.length === 2 && value[0] === value[1] ? value[0] : value;
  if (!Number.isInteger(size) || size < 1 || size > 1 << 16) {
    throw config.wrong(key, "the side of a square in pixels", value);
  }
  return size;
}
