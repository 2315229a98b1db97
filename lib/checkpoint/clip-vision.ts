import type { JsonObject } from "./json.js";
import { encoderPart, type ModulePart } from "./module-part.js";
import type { ParameterBuilder } from "./parameters.js";
import { type PatchGrid, readPatchGrid } from "./patch-grid.js";
import { torchscriptSource } from "./torchscript.js";
import { addEncoderLayers, readTowerSizes, type TowerSizes } from "./tower.js";

/** CLIP's image tower. */
export interface ClipVision {
  sizes: TowerSizes;
  grid: PatchGrid;
}

/** Class defaults of transformers: CLIPVisionConfig. */
const DEFAULTS = {
  sizes: { layers: 12, heads: 12, width: 768, hidden: 3072, epsilon: 1e-5, activation: "quick_gelu" },
  grid: { imageSize: 224, patchSize: 32 },
};

/** The token in front of the patches. */
const SUMMARY_TOKENS = 1;

/** @throws ClipBlipError ERR_MODEL_INVALID */
export function readClipVision(config: JsonObject): ClipVision {
  return { sizes: readTowerSizes(config, DEFAULTS.sizes), grid: readPatchGrid(config, DEFAULTS.grid) };
}

/**
 * Adds the tower's parameters; gives its methods, those of models/torchscript/clip_image.py, and its constants.
 * @param dimension of an embedding
 * @throws ClipBlipError ERR_MODEL_INVALID when a tensor is missing or its shape is another
 */
export async function addClipVision(
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
  // The letters are exchanged in every published checkpoint.
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
