import type { BlipConfig } from "./blip-config.js";
import { encoderPart, type ModulePart } from "./module-part.js";
import type { ParameterBuilder } from "./parameters.js";
import { torchscriptSource } from "./torchscript.js";
import { addEncoderLayers } from "./tower.js";

/**
 * Adds the parameters of BLIP's image tower; gives its methods, those of models/torchscript/blip_image.py, and its
 * constants.
 * @throws ClipBlipError ERR_MODEL_INVALID when a tensor is missing or its shape is another
 */
export async function addBlipVision(builder: ParameterBuilder, { vision, grid }: BlipConfig): Promise<ModulePart> {
  const { width } = vision;
  const { patchSize, tokens } = grid;
  const embeddings = "vision_model.embeddings";
  builder.tensor("vision_patch_weight", `${embeddings}.patch_embedding.weight`, [width, 3, patchSize, patchSize]);
  builder.tensor("vision_patch_bias", `${embeddings}.patch_embedding.bias`, [width]);
  builder.tensor("vision_class_embedding", `${embeddings}.class_embedding`, [1, 1, width]);
  builder.tensor("vision_positions", `${embeddings}.position_embedding`, [1, tokens, width]);
  addEncoderLayers(builder, vision, {
    prefix: "vision",
    path: "vision_model.encoder.layers",
    qkv: ["qkv"],
    out: "projection",
  });
  builder.norm("vision_output_norm", "vision_model.post_layernorm", width);

  const encoder = await encoderPart("vision", vision, { causal: false });
  return {
    ...encoder,
    source: await torchscriptSource(["blip_image"], [encoder.source]),
    ints: { ...encoder.ints, patch_size: patchSize },
  };
}
