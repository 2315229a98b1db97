import type { ClipDescription, TextFields } from "../description.js";
import { invalidModel } from "../invalid.js";
import { JsonObject } from "../json.js";
import type { SpecialTokens } from "../tokenizers/special-tokens.js";
import type { WeightTable } from "../weights/weights.js";
import { encoderPart, joinParts, type ModulePart, torchscriptSource } from "./module-part.js";
import { ParameterBuilder } from "./parameters.js";
import type { Recipe, RecipeInput, RecipeOutput } from "./recipe.js";
import { addEncoderLayers, type PatchGrid, readPatchGrid, readTowerSizes, type TowerSizes } from "./tower.js";

/** SigLIP, and SigLIP 2 with a fixed image size, which has the same classes: image and text embeddings. */
export const siglipRecipe: Recipe = {
  modelType: "siglip",
  className: "SiglipModel",
  purpose: "embeddings of SigLIP, and of SigLIP 2 with a fixed image size",
  readsImages: true,
  tokenizer: "siglip",
  build: (input) =>
    buildSiglip(input, {
      vision: readSiglipVision(part(input.config, "vision_config")),
      text: readSiglipText(part(input.config, "text_config"), input.tokens),
    }),
};

/** SigLIP's image tower on its own. */
export const siglipVisionRecipe: Recipe = {
  modelType: "siglip_vision_model",
  className: "SiglipVisionModel",
  purpose: "SigLIP embeddings of pictures",
  readsImages: true,
  tokenizer: undefined,
  build: (input) => buildSiglip(input, { vision: readSiglipVision(input.config) }),
};

/** SigLIP's text tower on its own. */
export const siglipTextRecipe: Recipe = {
  modelType: "siglip_text_model",
  className: "SiglipTextModel",
  purpose: "SigLIP embeddings of texts",
  readsImages: false,
  tokenizer: "siglip",
  build: (input) => buildSiglip(input, { text: readSiglipText(input.config, input.tokens) }),
};

/** The towers that a checkpoint has. */
interface Towers {
  vision?: SiglipVision;
  text?: SiglipText;
}

async function buildSiglip({ config, weights, tokens }: RecipeInput, towers: Towers): Promise<RecipeOutput> {
  const { vision, text } = towers;
  const builder = new ParameterBuilder(weights);
  const parts: ModulePart[] = [];
  const fields: Partial<ClipDescription> = {};
  if (vision) {
    parts.push(await addSiglipVision(builder, vision, prefixOf(weights, "vision_model.")));
    Object.assign(fields, { imageSize: vision.grid.imageSize, patchSize: vision.grid.patchSize });
  }
  if (text) {
    parts.push(await addSiglipText(builder, text, prefixOf(weights, "text_model.")));
    Object.assign(fields, text.fields);
  }
  if (vision && text) {
    if (vision.sizes.width !== text.dimension) {
      throw invalidModel(
        `${config.where}: embeddings of pictures have ${vision.sizes.width} numbers but those of texts ${text.dimension}, so they cannot be compared`,
      );
    }
    fields.logitScale = Math.exp(await requireScalar(weights, "logit_scale"));
    fields.logitBias = await requireScalar(weights, "logit_bias");
  }
  return {
    description: {
      formatVersion: 1,
      architecture: "siglip",
      ...fields,
      weightsDtype: builder.dtype(),
      dimension: vision?.sizes.width ?? text!.dimension,
    },
    spec: await joinParts(parts, builder),
    warnings: text ? maskWarnings(tokens) : [],
  };
}

function part(config: JsonObject, key: "text_config" | "vision_config"): JsonObject {
  return config.object(key) ?? new JsonObject({}, `${config.where}: ${key}`);
}

/** Single towers have the prefix if transformers 4 saved them, and lack it if transformers 5 did. */
function prefixOf(weights: WeightTable, prefix: string): string {
  return weights.names().some((name) => name.startsWith(prefix)) ? prefix : "";
}

async function requireScalar(weights: WeightTable, name: string): Promise<number> {
  weights.require(name, [1]);
  return (await weights.scalar(name))!;
}

/**
 * transformers masks the padding if the saved tokenizer says so. SigLIP was trained without a mask, and runs without
 * one here.
 */
function maskWarnings(tokens: SpecialTokens): string[] {
  const inputs = tokens.config.raw("model_input_names");
  if (Array.isArray(inputs) && !inputs.includes("attention_mask")) return [];
  return [
    "tokenizer_config.json asks for an attention mask, but SigLIP was trained without one and none is used here: " +
      'set "model_input_names": ["input_ids"] in it, as in the published checkpoints',
  ];
}

/** SigLIP's image tower. Its width is the dimension of an embedding. */
export interface SiglipVision {
  sizes: TowerSizes;
  grid: PatchGrid;
}

/** Class defaults of transformers: SiglipVisionConfig. */
const VISION_DEFAULTS = {
  sizes: { layers: 12, heads: 12, width: 768, hidden: 3072, epsilon: 1e-6, activation: "gelu_pytorch_tanh" },
  grid: { imageSize: 224, patchSize: 16 },
};

/** @throws ClipBlipError ERR_MODEL_INVALID */
function readSiglipVision(config: JsonObject): SiglipVision {
  if (!config.boolean("vision_use_head", true)) {
    throw invalidModel(`${config.where}: vision_use_head is false, so this image tower cannot embed pictures`);
  }
  return { sizes: readTowerSizes(config, VISION_DEFAULTS.sizes), grid: readPatchGrid(config, VISION_DEFAULTS.grid) };
}

/**
 * Adds the tower's parameters; returns its methods (models/torchscript/siglip_image.py) and constants.
 * @param prefix of the names of its tensors
 * @throws ClipBlipError ERR_MODEL_INVALID if a tensor is missing or has another shape
 */
async function addSiglipVision(
  builder: ParameterBuilder,
  { sizes, grid }: SiglipVision,
  prefix: string,
): Promise<ModulePart> {
  const { width, hidden } = sizes;
  const { patchSize, side } = grid;
  const patch = `${prefix}embeddings.patch_embedding`;
  builder.tensor("vision_patch_weight", `${patch}.weight`, [width, 3, patchSize, patchSize]);
  builder.tensor("vision_patch_bias", `${patch}.bias`, [width]);
  builder.tensor("vision_positions", `${prefix}embeddings.position_embedding.weight`, [side * side, width]);
  addEncoderLayers(builder, sizes, { prefix: "vision", path: `${prefix}encoder.layers`, out: "out_proj" });
  builder.norm("vision_output_norm", `${prefix}post_layernorm`, width);

  const head = `${prefix}head`;
  builder.tensor("pool_probe", `${head}.probe`, [1, 1, width]);
  // Queries, keys and values are concatenated along the rows.
  for (const [part, shape] of [
    ["weight", [3 * width, width]],
    ["bias", [3 * width]],
  ] as const) {
    const source = `${head}.attention.in_proj_${part}`;
    builder.rows(`pool_query_${part}`, source, shape, 0, width);
    builder.rows(`pool_kv_${part}`, source, shape, width, 3 * width);
  }
  builder.linear("pool_out", `${head}.attention.out_proj`, width, width);
  builder.norm("pool_norm", `${head}.layernorm`, width);
  builder.linear("pool_up", `${head}.mlp.fc1`, hidden, width);
  builder.linear("pool_down", `${head}.mlp.fc2`, width, hidden);

  const encoder = await encoderPart("vision", sizes, { causal: false });
  return {
    ...encoder,
    source: await torchscriptSource(["siglip_image", "patch_positions"], [encoder.source]),
    ints: { ...encoder.ints, patch_size: patchSize, grid_side: side, summary_tokens: 0 },
  };
}

/** SigLIP's text tower. */
export interface SiglipText {
  sizes: TowerSizes;
  fields: TextFields;
  /** Length of an embedding. */
  dimension: number;
}

/** Class defaults of transformers: SiglipTextConfig. */
const TEXT_DEFAULTS = {
  sizes: { layers: 12, heads: 12, width: 768, hidden: 3072, epsilon: 1e-6, activation: "gelu_pytorch_tanh" },
  vocabulary: 32000,
  positions: 64,
};

/** @throws ClipBlipError ERR_MODEL_INVALID */
function readSiglipText(config: JsonObject, tokens: SpecialTokens): SiglipText {
  const sizes = readTowerSizes(config, TEXT_DEFAULTS.sizes);
  const vocabularySize = config.integer("vocab_size", { fallback: TEXT_DEFAULTS.vocabulary, min: 1 });
  // The ids in config.json are known to be wrong: they belong to another model's tokenizer.
  const token = (role: "eos_token" | "pad_token") => {
    const id = tokens.id(role, vocabularySize);
    if (id === undefined)
      throw invalidModel(`tokenizer_config.json does not name an ${role} that is in tokenizer.json`);
    return id;
  };
  return {
    sizes,
    fields: {
      contextLength: config.integer("max_position_embeddings", { fallback: TEXT_DEFAULTS.positions, min: 2 }),
      vocabularySize,
      endTokenId: token("eos_token"),
      padTokenId: token("pad_token"),
    },
    dimension: config.integer("projection_size", { fallback: sizes.width, min: 1 }),
  };
}

/**
 * Adds the tower's parameters; returns its methods (models/torchscript/siglip_text.py) and constants.
 * @param prefix of the names of its tensors
 * @throws ClipBlipError ERR_MODEL_INVALID if a tensor is missing or has another shape
 */
async function addSiglipText(
  builder: ParameterBuilder,
  { sizes, fields, dimension }: SiglipText,
  prefix: string,
): Promise<ModulePart> {
  const { width } = sizes;
  const embeddings = `${prefix}embeddings`;
  builder.tensor("text_embedding", `${embeddings}.token_embedding.weight`, [fields.vocabularySize, width]);
  builder.tensor("text_positions", `${embeddings}.position_embedding.weight`, [fields.contextLength, width]);
  addEncoderLayers(builder, sizes, { prefix: "text", path: `${prefix}encoder.layers`, out: "out_proj" });
  builder.norm("text_output_norm", `${prefix}final_layer_norm`, width);
  builder.linear("text_projection", `${prefix}head`, dimension, width);

  const encoder = await encoderPart("text", sizes, { causal: false });
  return {
    ...encoder,
    source: await torchscriptSource(["siglip_text"], [encoder.source]),
    // The addon reads the size of the vocabulary and rejects token ids beyond it.
    ints: { ...encoder.ints, vocab_size: fields.vocabularySize },
  };
}
