import { invalidModel } from "./invalid.js";
import type { JsonObject } from "./json.js";
import { encoderPart, type ModulePart } from "./module-part.js";
import type { ParameterBuilder } from "./parameters.js";
import { type PatchGrid, readPatchGrid } from "./patch-grid.js";
import { torchscriptSource } from "./torchscript.js";
import { addEncoderLayers, readTowerSizes, type TowerSizes } from "./tower.js";

/** SigLIP's image tower. Its width is the dimension of an embedding. */
export interface SiglipVision {
  sizes: TowerSizes;
  grid: PatchGrid;
}

/** Class defaults of transformers: SiglipVisionConfig. */
const DEFAULTS = {
  sizes: { layers: 12, heads: 12, width: 768, hidden: 3072, epsilon: 1e-6, activation: "gelu_pytorch_tanh" },
  grid: { imageSize: 224, patchSize: 16 },
};

/** @throws ClipBlipError ERR_MODEL_INVALID */
export function readSiglipVision(config: JsonObject): SiglipVision {
  if (!config.boolean("vision_use_head", true)) {
    throw invalidModel(
      `${config.where}: vision_use_head is false, so this image tower makes no embedding of a picture`,
    );
  }
  return { sizes: readTowerSizes(config, DEFAULTS.sizes), grid: readPatchGrid(config, DEFAULTS.grid) };
}

/**
 * Adds the tower's parameters; gives its methods, those of models/torchscript/siglip_image.py, and its constants.
 * @param prefix of the names of its tensors
 * @throws ClipBlipError ERR_MODEL_INVALID when a tensor is missing or its shape is another
 */
export async function addSiglipVision(
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
  // Queries, keys and values lie one below the other.
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
