import { activationMethod } from "./activation.js";
import type { ModelDescription } from "./description.js";
import { FLOAT_DTYPES } from "./dtypes.js";
import { JsonObject } from "./json.js";
import { ParameterBuilder } from "./parameters.js";
import { type PatchGrid, readPatchGrid } from "./patch-grid.js";
import type { Recipe, RecipeInput, RecipeOutput } from "./recipe.js";
import type { TokenRole } from "./special-tokens.js";
import { torchscriptSource } from "./torchscript.js";
import { addEncoderLayers, readTowerSizes, type TowerSizes } from "./tower.js";
import type { WeightTable } from "./weights.js";

/** CLIP, any size: image and text embeddings. The methods are those of models/torchscript/clip.py. */
export const clipRecipe: Recipe = {
  modelType: "clip",
  className: "CLIPModel",
  purpose: "CLIP embeddings",
  build: buildClip,
};

/** Class defaults of transformers: CLIPVisionConfig and CLIPTextConfig. */
const DEFAULTS = {
  vision: { layers: 12, heads: 12, width: 768, hidden: 3072, epsilon: 1e-5, activation: "quick_gelu" },
  grid: { imageSize: 224, patchSize: 32 },
  text: { layers: 12, heads: 8, width: 512, hidden: 2048, epsilon: 1e-5, activation: "quick_gelu" },
  vocabulary: 49408,
  positions: 77,
  endTokenId: 49407,
  startTokenId: 49406,
  dimension: 512,
  logitScale: 2.6592,
};

/** The end token in the configurations that OpenAI's checkpoints came with: wrong, and known to be. */
const LEGACY_END_TOKEN_ID = 2;

const QKV = ["q_proj", "k_proj", "v_proj"];

interface ClipSizes {
  vision: TowerSizes;
  grid: PatchGrid;
  text: TowerSizes;
  vocabulary: number;
  positions: number;
  dimension: number;
}

async function buildClip({ config, weights, tokens }: RecipeInput): Promise<RecipeOutput> {
  const textConfig = part(config, "text_config");
  const visionConfig = part(config, "vision_config");
  const sizes: ClipSizes = {
    vision: readTowerSizes(visionConfig, DEFAULTS.vision),
    grid: readPatchGrid(visionConfig, DEFAULTS.grid),
    text: readTowerSizes(textConfig, DEFAULTS.text),
    vocabulary: textConfig.integer("vocab_size", { fallback: DEFAULTS.vocabulary, min: 1 }),
    positions: textConfig.integer("max_position_embeddings", { fallback: DEFAULTS.positions, min: 2 }),
    dimension: config.integer("projection_dim", { fallback: DEFAULTS.dimension, min: 1 }),
  };
  const special = (role: TokenRole) => tokens.id(role, sizes.vocabulary);
  const configured = (key: string, fallback: number) =>
    textConfig.integer(key, { fallback, max: sizes.vocabulary - 1 });
  const configuredEnd = configured("eos_token_id", DEFAULTS.endTokenId);
  const endIsLargestId = configuredEnd === LEGACY_END_TOKEN_ID;
  const endTokenId = endIsLargestId ? (special("eos_token") ?? sizes.vocabulary - 1) : configuredEnd;

  const builder = new ParameterBuilder(weights);
  addVision(builder, sizes);
  addText(builder, sizes);
  const source = await torchscriptSource("clip", [
    activationMethod("vision_activation", sizes.vision.activation),
    activationMethod("text_activation", sizes.text.activation),
  ]);
  const description: ModelDescription = {
    formatVersion: 1,
    architecture: "clip",
    imageSize: sizes.grid.imageSize,
    contextLength: sizes.positions,
    vocabularySize: sizes.vocabulary,
    startTokenId: special("bos_token") ?? configured("bos_token_id", DEFAULTS.startTokenId),
    endTokenId,
    padTokenId: padTokenId(special("pad_token"), endTokenId),
    weightsDtype: FLOAT_DTYPES[builder.parameters[0]!.layers[0]![0]!.dtype]!,
    dimension: sizes.dimension,
    logitScale: await readLogitScale(config, weights),
  };
  return {
    description,
    spec: {
      source,
      ints: {
        vision_layers: sizes.vision.layers,
        vision_heads: sizes.vision.heads,
        patch_size: sizes.grid.patchSize,
        text_layers: sizes.text.layers,
        text_heads: sizes.text.heads,
        end_token_id: endTokenId,
        // Read by the addon, which refuses token ids beyond it.
        vocab_size: sizes.vocabulary,
      },
      floats: { vision_epsilon: sizes.vision.epsilon, text_epsilon: sizes.text.epsilon },
      bools: { end_is_largest_id: endIsLargestId },
      parameters: builder.parameters,
    },
    warnings: [],
  };
}

/**
 * A tower's part of config.json. Files of 2022 carry a second copy as `text_config_dict` and `vision_config_dict`,
 * which replaces the first where it is there.
 */
function part(config: JsonObject, key: "text_config" | "vision_config"): JsonObject {
  return config.object(`${key}_dict`) ?? config.object(key) ?? new JsonObject({}, `${config.where}: ${key}`);
}

function addVision(builder: ParameterBuilder, { vision, grid, dimension }: ClipSizes): void {
  const { width } = vision;
  const { patchSize, tokens } = grid;
  const embeddings = "vision_model.embeddings";
  builder.tensor("vision_patch_weight", `${embeddings}.patch_embedding.weight`, [width, 3, patchSize, patchSize]);
  builder.tensor("vision_class_embedding", `${embeddings}.class_embedding`, [width]);
  builder.tensor("vision_positions", `${embeddings}.position_embedding.weight`, [tokens, width]);
  // The letters are exchanged in every published checkpoint.
  builder.norm("vision_input_norm", "vision_model.pre_layrnorm", width);
  addEncoderLayers(builder, vision, {
    prefix: "vision",
    path: "vision_model.encoder.layers",
    qkv: QKV,
    out: "out_proj",
  });
  builder.norm("vision_output_norm", "vision_model.post_layernorm", width);
  builder.tensor("vision_projection", "visual_projection.weight", [dimension, width]);
}

function addText(builder: ParameterBuilder, { text, vocabulary, positions, dimension }: ClipSizes): void {
  const { width } = text;
  const embeddings = "text_model.embeddings";
  builder.tensor("text_embedding", `${embeddings}.token_embedding.weight`, [vocabulary, width]);
  builder.tensor("text_positions", `${embeddings}.position_embedding.weight`, [positions, width]);
  addEncoderLayers(builder, text, { prefix: "text", path: "text_model.encoder.layers", qkv: QKV, out: "out_proj" });
  builder.norm("text_output_norm", "text_model.final_layer_norm", width);
  builder.tensor("text_projection", "text_projection.weight", [dimension, width]);
}

/**
 * Padding after the end token changes nothing as long as it is not a larger id than the end token's, which the
 * largest-id rule would take for the end. The end token itself always fits.
 */
function padTokenId(configured: number | undefined, endTokenId: number): number {
  return configured === undefined || configured > endTokenId ? endTokenId : configured;
}

/** What cosines are multiplied by; the checkpoint keeps its logarithm. */
async function readLogitScale(config: JsonObject, weights: WeightTable): Promise<number> {
  const logarithm =
    (await weights.scalar("logit_scale")) ?? config.number("logit_scale_init_value", { fallback: DEFAULTS.logitScale });
  return Math.exp(logarithm);
}
