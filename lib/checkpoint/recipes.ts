import { blipRecipe } from "./blip-recipe.js";
import { clipRecipe } from "./clip-recipe.js";
import { invalidModel, quote } from "./invalid.js";
import type { JsonObject } from "./json.js";
import type { Recipe } from "./recipe.js";

/** Every architecture that this package runs; another one is a further file and a line here. */
const RECIPES: readonly Recipe[] = [clipRecipe, blipRecipe];

/**
 * The recipe for a checkpoint.
 * @throws ClipBlipError ERR_MODEL_INVALID that says what is supported
 */
export function chooseRecipe(config: JsonObject): Recipe {
  const modelType = config.text("model_type", "");
  const architectures = config.texts("architectures");
  const recipe = RECIPES.find((one) => one.modelType === modelType);
  // Files that were saved without a class name say nothing against the usual one.
  if (recipe !== undefined && (architectures.length === 0 || architectures.includes(recipe.className))) return recipe;
  const found = `model_type ${quote(modelType)}, architectures ${quote(architectures.join(", "))}`;
  const supported = RECIPES.map((one) => `${one.className} (${one.purpose})`).join(" and ");
  throw invalidModel(`${config.where}: ${found} is not supported; this package runs ${supported}`);
}
