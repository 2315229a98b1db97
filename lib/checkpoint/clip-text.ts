import type { TextFields } from "./description.js";
import type { JsonObject } from "./json.js";
import { encoderPart, type ModulePart } from "./module-part.js";
import type { ParameterBuilder } from "./parameters.js";
import type { SpecialTokens, TokenRole } from "./special-tokens.js";
import { torchscriptSource } from "./torchscript.js";
import { addEncoderLayers, readTowerSizes, type TowerSizes } from "./tower.js";

/** CLIP's text tower. */
export interface ClipText {
  sizes: TowerSizes;
  fields: TextFields & { startTokenId: number };
  /** The end token is the largest id of a text; else the first that is the end token. */
  endIsLargestId: boolean;
}

/** Class defaults of transformers: CLIPTextConfig. */
const DEFAULTS = {
  sizes: { layers: 12, heads: 8, width: 512, hidden: 2048, epsilon: 1e-5, activation: "quick_gelu" },
  vocabulary: 49408,
  positions: 77,
  endTokenId: 49407,
  startTokenId: 49406,
};

/** The end token in the configurations that OpenAI's checkpoints came with: wrong, and known to be. */
const LEGACY_END_TOKEN_ID = 2;

/** @throws ClipBlipError ERR_MODEL_INVALID */
export function readClipText(config: JsonObject, tokens: SpecialTokens): ClipText {
  const vocabularySize = config.integer("vocab_size", { fallback: DEFAULTS.vocabulary, min: 1 });
  const special = (role: TokenRole) => tokens.id(role, vocabularySize);
  const configured = (key: string, fallback: number) => config.integer(key, { fallback, max: vocabularySize - 1 });
  const configuredEnd = configured("eos_token_id", DEFAULTS.endTokenId);
  const endIsLargestId = configuredEnd === LEGACY_END_TOKEN_ID;
  const endTokenId = endIsLargestId ? (special("eos_token") ?? vocabularySize - 1) : configuredEnd;
  return {
    sizes: readTowerSizes(config, DEFAULTS.sizes),
    fields: {
      contextLength: config.integer("max_position_embeddings", { fallback: DEFAULTS.positions, min: 2 }),
      vocabularySize,
      startTokenId: special("bos_token") ?? configured("bos_token_id", DEFAULTS.startTokenId),
      endTokenId,
      padTokenId: padTokenId(special("pad_token"), endTokenId),
    },
    endIsLargestId,
  };
}

/**
 * Adds the tower's parameters; gives its methods, those of models/torchscript/clip_text.py, and its constants.
 * @param dimension of an embedding
 * @throws ClipBlipError ERR_MODEL_INVALID when a tensor is missing or its shape is another
 */
export async function addClipText(
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
    // The addon reads the size of the vocabulary and refuses token ids beyond it.
    ints: { ...encoder.ints, end_token_id: endTokenId, vocab_size: vocabularySize },
    bools: { ...encoder.bools, end_is_largest_id: endIsLargestId },
  };
}

/**
 * Padding after the end token changes nothing as long as it is not a larger id than the end token's, which the
 * largest-id rule would take for the end. The end token itself always fits.
 */
function padTokenId(configured: number | undefined, endTokenId: number): number {
  return configured === undefined || configured > endTokenId ? endTokenId : configured;
}
