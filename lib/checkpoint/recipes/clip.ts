import type { ClipDescription, TextFields } from "../description.js";
import { JsonObject } from "../json.js";
import type { SpecialTokens, TokenRole } from "../tokenizers/special-tokens.js";
import type { WeightTable } from "../weights/weights.js";
import { encoderPart, joinParts, type ModulePart, torchscriptSource } from "./module-part.js";
import { ParameterBuilder } from "./parameters.js";
import type { Recipe, RecipeInput, RecipeOutput } from "./recipe.js";
import { addEncoderLayers, type PatchGrid, readPatchGrid, readTowerSizes, type TowerSizes } from "./tower.js";

/** CLIP of any size: image and text embeddings. */
export const clipRecipe: Recipe = {
  modelType: "clip",
  className: "CLIPModel",
  purpose: "CLIP embeddings",
  readsImages: true,
  tokenizer: "clip",
  build: (input) =>
    buildClip(input, { vision: part(input.config, "vision_config"), text: part(input.config, "text_config") }),
};

/** CLIP's image tower on its own. */
export const clipVisionRecipe: Recipe = {
  modelType: "clip_vision_model",
  className: "CLIPVisionModelWithProjection",
  purpose: "CLIP embeddings of pictures",
  readsImages: true,
  tokenizer: undefined,
  build: (input) => buildClip(input, { vision: input.config }),
};

/** CLIP's text tower on its own. */
export const clipTextRecipe: Recipe = {
  modelType: "clip_text_model",
  className: "CLIPTextModelWithProjection",
  purpose: "CLIP embeddings of texts",
  readsImages: false,
  tokenizer: "clip",
  build: (input) => buildClip(input, { text: input.config }),
};

/** Class defaults of transformers: CLIPConfig. */
const DEFAULTS = { dimension: 512, logitScale: 2.6592 };

/** The configurations of the towers that a checkpoint has. */
interface TowerConfigs {
  vision?: JsonObject;
  text?: JsonObject;
}

async function buildClip({ config, weights, tokens }: RecipeInput, towers: TowerConfigs): Promise<RecipeOutput> {
  const dimension = config.integer("projection_dim", { fallback: DEFAULTS.dimension, min: 1 });
  const builder = new ParameterBuilder(weights);
  const parts: ModulePart[] = [];
  const fields: Partial<ClipDescription> = {};
  if (towers.vision) {
    const vision = readClipVision(towers.vision);
    parts.push(await addClipVision(builder, vision, dimension));
    Object.assign(fields, { imageSize: vision.grid.imageSize, patchSize: vision.grid.patchSize });
  }
  if (towers.text) {
    const text = readClipText(towers.text, tokens);
    parts.push(await addClipText(builder, text, dimension));
    Object.assign(fields, text.fields);
  }
  if (towers.vision && towers.text) fields.logitScale = await readLogitScale(config, weights);
  return {
    description: {
      formatVersion: 1,
      architecture: "clip",
      ...fields,
      weightsDtype: builder.dtype(),
      dimension,
    },
    spec: await joinParts(parts, builder),
    warnings: [],
  };
}

/**
 * A tower's part of config.json. Files from 2022 contain a second copy, `text_config_dict` and `vision_config_dict`,
 * which takes precedence.
 */
function part(config: JsonObject, key: "text_config" | "vision_config"): JsonObject {
  return config.object(`${key}_dict`) ?? config.object(key) ?? new JsonObject({}, `${config.where}: ${key}`);
}

/** The factor that turns cosines into logits; the checkpoint stores its logarithm. */
async function readLogitScale(config: JsonObject, weights: WeightTable): Promise<number> {
  const logarithm =
    (await weights.scalar("logit_scale")) ?? config.number("logit_scale_init_value", { fallback: DEFAULTS.logitScale });
  return Math.exp(logarithm);
}

/** CLIP's image tower. */
export interface ClipVision {
  sizes: TowerSizes;
  grid: PatchGrid;
}

/** Class defaults of transformers: CLIPVisionConfig. */
const VISION_DEFAULTS = {
  sizes: { layers: 12, heads: 12, width: 768, hidden: 3072, epsilon: 1e-5, activation: "quick_gelu" },
  grid: { imageSize: 224, patchSize: 32 },
};

/** Number of tokens before the patches. */
const SUMMARY_TOKENS = 1;

/** @throws ClipBlipError ERR_MODEL_INVALID */
function readClipVision(config: JsonObject): ClipVision {
  return { sizes: readTowerSizes(config, VISION_DEFAULTS.sizes), grid: readPatchGrid(config, VISION_DEFAULTS.grid) };
}

/**
 * Adds the tower's parameters; returns its methods (models/torchscript/clip_image.py) and constants.
 * @param dimension of an embedding
 * @throws ClipBlipError ERR_MODEL_INVALID if a tensor is missing or has another shape
 */
async function addClipVision(
  builder: ParameterBuilder,
  { sizes, grid }: ClipVision,
  dimension: number,
): Promise<ModulePart> {
  const { width } = sizes;
  const { patchSize, side } = grid;
  const embeddings = "vision_model.embeddings";
  builder.tensor("vision_patch_weight", `${embeddings}.patch_embedding.weight`, [width, 3, patchSize, patchSize]);
  builder.tensor("vision_class_embedding", `${embeddings}.class_embedding`, [width]);
  builder.tensor("vision_positions", `${embeddings}.position_embedding.weight`, [side * side + SUMMARY_TOKENS, width]);
  // The misspelling is in every published checkpoint.
  builder.norm("vision_input_norm", "vision_model.pre_layrnorm", width);
  addEncoderLayers(builder, sizes, { prefix: "vision", path: "vision_model.encoder.layers", out: "out_proj" });
  builder.norm("vision_output_norm", "vision_model.post_layernorm", width);
  builder.tensor("vision_projection", "visual_projection.weight", [dimension, width]);

  const encoder = await encoderPart("vision", sizes, { causal: false });
  return {
    ...encoder,
    source: await torchscriptSource(["clip_image", "patch_positions"], [encoder.source]),
    ints: { ...encoder.ints, patch_size: patchSize, grid_side: side, summary_tokens: SUMMARY_TOKENS },
  };
}

/** CLIP's text tower. */
export interface ClipText {
  sizes: TowerSizes;
  fields: TextFields & { startTokenId: number };
  /** Find the end of a text by its largest id; otherwise by the first end token. */
  endIsLargestId: boolean;
}

/** Class defaults of transformers: CLIPTextConfig. */
const TEXT_DEFAULTS = {
  sizes: { layers: 12, heads: 8, width: 512, hidden: 2048, epsilon: 1e-5, activation: "quick_gelu" },
  vocabulary: 49408,
  positions: 77,
  endTokenId: 49407,
  startTokenId: 49406,
};

/** The end token id in the configurations of OpenAI's checkpoints; it is known to be wrong. */
const LEGACY_END_TOKEN_ID = 2;

/** @throws ClipBlipError ERR_MODEL_INVALID */
function readClipText(config: JsonObject, tokens: SpecialTokens): ClipText {
  const vocabularySize = config.integer("vocab_size", { fallback: TEXT_DEFAULTS.vocabulary, min: 1 });
  const special = (role: TokenRole) => tokens.id(role, vocabularySize);
  const configured = (key: string, fallback: number) => config.integer(key, { fallback, max: vocabularySize - 1 });
  const configuredEnd = configured("eos_token_id", TEXT_DEFAULTS.endTokenId);
  const endIsLargestId = configuredEnd === LEGACY_END_TOKEN_ID;
  const endTokenId = endIsLargestId ? (special("eos_token") ?? vocabularySize - 1) : configuredEnd;
  return {
    sizes: readTowerSizes(config, TEXT_DEFAULTS.sizes),
    fields: {
      contextLength: config.integer("max_position_embeddings", { fallback: TEXT_DEFAULTS.positions, min: 2 }),
      vocabularySize,
      startTokenId: special("bos_token") ?? configured("bos_token_id", TEXT_DEFAULTS.startTokenId),
      endTokenId,
      padTokenId: padTokenId(special("pad_token"), endTokenId),
    },
    endIsLargestId,
  };
}

/**
 * Adds the tower's parameters; returns its methods (models/torchscript/clip_text.py) and constants.
 * @param dimension of an embedding
 * @throws ClipBlipError ERR_MODEL_INVALID if a tensor is missing or has another shape
 */
async function addClipText(
  builder: ParameterBuilder,
  { sizes, fields, endIsLargestId }: ClipText,
  dimension: number,
): Promise<ModulePart> {
  const { width } = sizes;
  const { vocabularySize, contextLength, endTokenId } = fields;
  const embeddings = "text_model.embeddings";
  builder.tensor("text_embedding", `${embeddings}.token_embedding.weight`, [vocabularySize, width]);
  builder.tensor("text_positions", `${embeddings}.position_embedding.weight`, [contextLength, width]);
  addEncoderLayers(builder, sizes, { prefix: "text", path: "text_model.encoder.layers", out: "out_proj" });
  builder.norm("text_output_norm", "text_model.final_layer_norm", width);
  builder.tensor("text_projection", "text_projection.weight", [dimension, width]);

  const encoder = await encoderPart("text", sizes, { causal: true });
  return {
    ...encoder,
    source: await torchscriptSource(["clip_text"], [encoder.source]),
    // The addon reads the size of the vocabulary and rejects token ids beyond it.
    ints: { ...encoder.ints, end_token_id: endTokenId, vocab_size: vocabularySize },
    bools: { ...encoder.bools, end_is_largest_id: endIsLargestId },
  };
}

/**
 * Padding after the end token has no effect unless its id is larger than the end token's: the largest-id rule would
 * then take it for the end. The end token itself is always a valid padding.
 */
function padTokenId(configured: number | undefined, endTokenId: number): number {
  return configured === undefined || configured > endTokenId ? endTokenId : configured;
}
