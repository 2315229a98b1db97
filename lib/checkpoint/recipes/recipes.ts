import { invalidModel, quote } from "../invalid.js";
import type { JsonObject } from "../json.js";
import { blipMatchingRecipe, blipQuestionRecipe, blipRecipe } from "./blip.js";
import { clipRecipe, clipTextRecipe, clipVisionRecipe } from "./clip.js";
import type { Recipe } from "./recipe.js";
import { siglipRecipe, siglipTextRecipe, siglipVisionRecipe } from "./siglip.js";

/** All architectures that this package runs. To add one, write its recipe and list it here. */
const RECIPES: readonly Recipe[] = [
  clipRecipe,
  clipVisionRecipe,
  clipTextRecipe,
  siglipRecipe,
  siglipVisionRecipe,
  siglipTextRecipe,
  blipRecipe,
  blipQuestionRecipe,
  blipMatchingRecipe,
];

/**
 * The recipe for a checkpoint.
 * @throws ClipBlipError ERR_MODEL_INVALID that lists what is supported
 */
export function chooseRecipe(config: JsonObject): Recipe {
  const modelType = config.text("model_type", "");
  const architectures = config.texts("architectures");
  // Without a class name, take the usual class of the model type, which is listed first.
  const isClass = (className: string) => architectures.length === 0 || architectures.includes(className);
  const recipe = RECIPES.find((one) => one.modelType === modelType && isClass(one.className));
  if (recipe !== undefined) return recipe;
  const found = `model_type ${quote(modelType)}, architectures ${quote(architectures.join(", "))}`;
  const supported = RECIPES.map((one) => `${one.className} (${one.purpose})`).join(", ");
  throw invalidModel(`${config.where}: ${found} is not supported. Supported are ${supported}`);
}
