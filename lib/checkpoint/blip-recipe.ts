import { addBert } from "./bert.js";
import { type BlipConfig, readBlipConfig } from "./blip-config.js";
import { addBlipDecoder } from "./blip-decoder.js";
import { addBlipVision } from "./blip-vision.js";
import type { BlipDescription, BlipTask, WriterFields } from "./description.js";
import { readGenerationDefaults } from "./generation.js";
import { invalidModel } from "./invalid.js";
import type { JsonObject } from "./json.js";
import { joinParts, type ModulePart } from "./module-part.js";
import { ParameterBuilder } from "./parameters.js";
import type { Recipe, RecipeInput, RecipeOutput } from "./recipe.js";
import { torchscriptSource } from "./torchscript.js";

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
  purpose: "answers of BLIP",
  build: async (input) => {
    const { blip, builder } = open(input);
    // transformers gives both cross-attentions one width, where one reads pictures and the other questions.
    if (blip.vision.width !== blip.text.width) {
      throw invalidModel(
        `config.json: question answering needs towers of one width, but they have ${blip.vision.width} and ${blip.text.width}`,
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

function open({ config, weights }: RecipeInput) {
  return { blip: readBlipConfig(config), builder: new ParameterBuilder(weights) };
}

/** BLIP's text encoder, which reads texts beside pictures: models/torchscript/blip_reader.py. */
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
