import { addClipText, readClipText } from "./clip-text.js";
import { addClipVision, readClipVision } from "./clip-vision.js";
import type { ClipDescription } from "./description.js";
import { JsonObject } from "./json.js";
import { joinParts, type ModulePart } from "./module-part.js";
import { ParameterBuilder } from "./parameters.js";
import type { Recipe, RecipeInput, RecipeOutput } from "./recipe.js";
import type { WeightTable } from "./weights.js";

/** CLIP, any size: image and text embeddings. */
export const clipRecipe: Recipe = {
  modelType: "clip",
  className: "CLIPModel",
  purpose: "CLIP embeddings",
  readsImages: true,
  tokenizer: "clip",
  build: (input) =>
    buildClip(input, { vision: part(input.config, "vision_config"), text: part(input.config, "text_config") }),
};

/** The image half of CLIP. */
export const clipVisionRecipe: Recipe = {
  modelType: "clip_vision_model",
  className: "CLIPVisionModelWithProjection",
  purpose: "CLIP embeddings of pictures",
  readsImages: true,
  tokenizer: undefined,
  build: (input) => buildClip(input, { vision: input.config }),
};

/** The text half of CLIP. */
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
 * A tower's part of config.json. Files of 2022 carry a second copy as `text_config_dict` and `vision_config_dict`,
 * which replaces the first where it is there.
 */
function part(config: JsonObject, key: "text_config" | "vision_config"): JsonObject {
  return config.object(`${key}_dict`) ?? config.object(key) ?? new JsonObject({}, `${config.where}: ${key}`);
}

/** What cosines are multiplied by; the checkpoint keeps its logarithm. */
async function readLogitScale(config: JsonObject, weights: WeightTable): Promise<number> {
  const logarithm =
    (await weights.scalar("logit_scale")) ?? config.number("logit_scale_init_value", { fallback: DEFAULTS.logitScale });
  return Math.exp(logarithm);
}
