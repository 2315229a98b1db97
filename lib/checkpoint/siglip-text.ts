import type { TextFields } from "./description.js";
import { invalidModel } from "./invalid.js";
import type { JsonObject } from "./json.js";
import { encoderPart, type ModulePart } from "./module-part.js";
import type { ParameterBuilder } from "./parameters.js";
import type { SpecialTokens } from "./special-tokens.js";
import { torchscriptSource } from "./torchscript.js";
import { addEncoderLayers, readTowerSizes, type TowerSizes } from "./tower.js";

/** SigLIP's text tower. */
export interface SiglipText {
  sizes: TowerSizes;
  fields: TextFields;
  /** Of an embedding. */
  dimension: number;
}

/** Class defaults of transformers: SiglipTextConfig. */
const DEFAULTS = {
  sizes: { layers: 12, heads: 12, width: 768, hidden: 3072, epsilon: 1e-6, activation: "gelu_pytorch_tanh" },
  vocabulary: 32000,
  positions: 64,
};

/** @throws ClipBlipError ERR_MODEL_INVALID */
export function readSiglipText(config: JsonObject, tokens: SpecialTokens): SiglipText {
  const sizes = readTowerSizes(config, DEFAULTS.sizes);
  const vocabularySize = config.integer("vocab_size", { fallback: DEFAULTS.vocabulary, min: 1 });
  // The ids in config.json are those of another model's tokenizer, and known to be wrong.
  const token = (role: "eos_token" | "pad_token") => {
    const id = tokens.id(role, vocabularySize);
    if (id === undefined) throw invalidModel(`tokenizer_config.json names no ${role} that tokenizer.json has`);
    return id;
  };
  return {
    sizes,
    fields: {
      contextLength: config.integer("max_position_embeddings", { fallback: DEFAULTS.positions, min: 2 }),
      vocabularySize,
      endTokenId: token("eos_token"),
      padTokenId: token("pad_token"),
    },
    dimension: config.integer("projection_size", { fallback: sizes.width, min: 1 }),
  };
}

/**
 * Adds the tower's parameters; gives its methods, those of models/torchscript/siglip_text.py, and its constants.
 * @param prefix of the names of its tensors
 * @throws ClipBlipError ERR_MODEL_INVALID when a tensor is missing or its shape is another
 */
export async function addSiglipText(
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
    // The addon reads the size of the vocabulary and refuses token ids beyond it.
    ints: { ...encoder.ints, vocab_size: fields.vocabularySize },
  };
}
