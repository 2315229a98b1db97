import type { BlipDescription, BlipTask, WriterFields } from "../description.js";
import { invalidModel } from "../invalid.js";
import type { JsonObject } from "../json.js";
import { type BlipConfig, generationWarnings, readBlipConfig, readGenerationDefaults } from "./blip-config.js";
import { addBert, addBlipDecoder } from "./blip-text.js";
import { encoderPart, joinParts, type ModulePart, torchscriptSource } from "./module-part.js";
import { ParameterBuilder } from "./parameters.js";
import type { Recipe, RecipeInput, RecipeOutput } from "./recipe.js";
import { addEncoderLayers } from "./tower.js";

const COMMON = { modelType: "blip", readsImages: true, tokenizer: "bert" } as const;

/** BLIP captioning, base and large. */
export const blipRecipe: Recipe = {
  ...COMMON,
  className: "BlipForConditionalGeneration",
  purpose: "BLIP captions",
  build: async (input) => {
    const { blip, builder } = open(input);
    const vision = await addBlipVision(builder, blip);
    const decoder = await addBlipDecoder(builder, blip, input.weights, blip.vision.width);
    return output("captioning", blip, builder, [vision, decoder], writerFields(blip, input.generation));
  },
};

/** BLIP question answering. */
export const blipQuestionRecipe: Recipe = {
  ...COMMON,
  className: "BlipForQuestionAnswering",
  purpose: "BLIP question answering",
  build: async (input) => {
    const { blip, builder } = open(input);
    // transformers uses the same width for both cross-attentions, although one reads pictures and the other questions.
    if (blip.vision.width !== blip.text.width) {
      throw invalidModel(
        `config.json: question answering needs towers of equal width, but these are ${blip.vision.width} and ${blip.text.width} wide`,
      );
    }
    const vision = await addBlipVision(builder, blip);
    const reader = await addReader(builder, blip);
    const decoder = await addBlipDecoder(builder, blip, input.weights, blip.text.width);
    return output("question-answering", blip, builder, [vision, reader, decoder], writerFields(blip, input.generation));
  },
};

/** Class default of transformers: BlipConfig.image_text_hidden_size. */
const MATCHING_DIMENSION = 256;

/** BLIP image-text matching, base and large. */
export const blipMatchingRecipe: Recipe = {
  ...COMMON,
  className: "BlipForImageTextRetrieval",
  purpose: "BLIP image-text matching",
  build: async (input) => {
    const { blip, builder } = open(input);
    const { vision, text } = blip;
    const dimension = input.config.integer("image_text_hidden_size", { fallback: MATCHING_DIMENSION, min: 1 });
    const parts = [await addBlipVision(builder, blip), await addReader(builder, blip)];
    builder.linear("image_projection", "vision_proj", dimension, vision.width);
    builder.linear("text_projection", "text_proj", dimension, text.width);
    builder.linear("match", "itm_head", 2, text.width);
    parts.push({ source: await torchscriptSource(["blip_matching"], []), ints: {}, floats: {}, bools: {} });
    return output("image-text-matching", blip, builder, parts, {});
  },
};

function open({ config, weights, generation }: RecipeInput) {
  const blip = readBlipConfig(config);
  blip.warnings.push(...generationWarnings(generation));
  return { blip, builder: new ParameterBuilder(weights) };
}

/** BLIP's text encoder, which reads a text together with a picture: models/torchscript/blip_reader.py. */
async function addReader(builder: ParameterBuilder, blip: BlipConfig): Promise<ModulePart> {
  const bert = await addBert(builder, blip, { prefix: "reader", path: "text_encoder", looksAt: blip.vision.width });
  return { ...bert, source: await torchscriptSource(["blip_reader"], [bert.source]) };
}

function writerFields({ textConfig }: BlipConfig, generation: JsonObject | undefined): WriterFields {
  return { generation: readGenerationDefaults(generation, textConfig) };
}

async function output(
  task: BlipTask,
  blip: BlipConfig,
  builder: ParameterBuilder,
  parts: ModulePart[],
  fields: Partial<WriterFields>,
): Promise<RecipeOutput> {
  const { grid, positions, vocabulary, startTokenId, endTokenId, padTokenId, warnings } = blip;
  return {
    description: {
      formatVersion: 1,
      architecture: "blip",
      task,
      imageSize: grid.imageSize,
      contextLength: positions,
      vocabularySize: vocabulary,
      startTokenId,
      endTokenId,
      padTokenId,
      weightsDtype: builder.dtype(),
      ...fields,
    } as BlipDescription,
    spec: await joinParts(parts, builder),
    warnings,
  };
}

/**
 * Adds the parameters of BLIP's image tower; returns its methods (models/torchscript/blip_image.py) and constants.
 * @throws ClipBlipError ERR_MODEL_INVALID if a tensor is missing or has another shape
 */
async function addBlipVision(builder: ParameterBuilder, { vision, grid }: BlipConfig): Promise<ModulePart> {
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
