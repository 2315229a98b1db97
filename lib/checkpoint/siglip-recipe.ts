import type { ClipDescription } from "./description.js";
import { invalidModel } from "./invalid.js";
import { JsonObject } from "./json.js";
import { joinParts, type ModulePart } from "./module-part.js";
import { ParameterBuilder } from "./parameters.js";
import type { Recipe, RecipeInput, RecipeOutput } from "./recipe.js";
import { addSiglipText, readSiglipText, type SiglipText } from "./siglip-text.js";
import { addSiglipVision, readSiglipVision, type SiglipVision } from "./siglip-vision.js";
import type { SpecialTokens } from "./special-tokens.js";
import type { WeightTable } from "./weights.js";

/** SigLIP, and SigLIP 2 with pictures of one size, which has the same classes: image and text embeddings. */
export const siglipRecipe: Recipe = {
  modelType: "siglip",
  className: "SiglipModel",
  purpose: "embeddings of SigLIP, and of SigLIP 2 with pictures of one size",
  readsImages: true,
  tokenizer: "siglip",
  build: (input) =>
    buildSiglip(input, {
      vision: readSiglipVision(part(input.config, "vision_config")),
      text: readSiglipText(part(input.config, "text_config"), input.tokens),
    }),
};

/** The image half of SigLIP. */
export const siglipVisionRecipe: Recipe = {
  modelType: "siglip_vision_model",
  className: "SiglipVisionModel",
  purpose: "SigLIP embeddings of pictures",
  readsImages: true,
  tokenizer: undefined,
  build: (input) => buildSiglip(input, { vision: readSiglipVision(input.config) }),
};

/** The text half of SigLIP. */
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
        `${config.where}: pictures get ${vision.sizes.width} numbers and texts ${text.dimension}, so they cannot be compared`,
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

/** Half models have the prefix where they were saved by transformers 4, and not where by 5. */
function prefixOf(weights: WeightTable, prefix: string): string {
  return weights.names().some((name) => name.startsWith(prefix)) ? prefix : "";
}

async function requireScalar(weights: WeightTable, name: string): Promise<number> {
  weights.require(name, [1]);
  return (await weights.scalar(name))!;
}

/** transformers masks the filling where the tokenizer is saved so; SigLIP was trained without, and is run so here. */
function maskWarnings(tokens: SpecialTokens): string[] {
  const inputs = tokens.config.raw("model_input_names");
  if (Array.isArray(inputs) && !inputs.includes("attention_mask")) return [];
  return [
    "tokenizer_config.json asks for an attention mask, which SigLIP was trained without and which is not used here: " +
      'set "model_input_names": ["input_ids"] there, as the published checkpoints have it',
  ];
}
