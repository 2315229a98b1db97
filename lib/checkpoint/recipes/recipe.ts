import type { ModuleSpec } from "../../native/types.js";
import type { ModelDescription } from "../description.js";
import type { JsonObject } from "../json.js";
import type { SpecialTokens } from "../tokenizers/special-tokens.js";
import type { TokenizerKind } from "../tokenizers/tokenizer.js";
import type { WeightTable } from "../weights/weights.js";

/** What a recipe reads from a checkpoint. */
export interface RecipeInput {
  /** config.json. */
  config: JsonObject;
  /** generation_config.json, if present. */
  generation: JsonObject | undefined;
  weights: WeightTable;
  /** Empty if the recipe does not read text. */
  tokens: SpecialTokens;
}

/** The result of a recipe. */
export interface RecipeOutput {
  description: ModelDescription;
  spec: ModuleSpec;
  /** Sentences about possible problems of the checkpoint; each says what to do. */
  warnings: string[];
}

/** Turns the checkpoints of one architecture into TorchScript modules. */
export interface Recipe {
  /** `model_type` in config.json. */
  modelType: string;
  /** The class of transformers that the checkpoint was saved from. */
  className: string;
  /** What the model is for, in messages. */
  purpose: string;
  /** Whether it needs preprocessor_config.json. */
  readsImages: boolean;
  /** The tokenizer that it needs; undefined if it does not read text. */
  tokenizer: TokenizerKind | undefined;
  /** @throws ClipBlipError ERR_MODEL_INVALID */
  build: (input: RecipeInput) => Promise<RecipeOutput>;
}
