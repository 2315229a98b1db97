import type { ModuleSpec } from "../../native/types.js";
import type { ModelDescription } from "../description.js";
import type { JsonObject } from "../json.js";
import type { SpecialTokens } from "../tokenizers/special-tokens.js";
import type { TokenizerKind } from "../tokenizers/tokenizer-text.js";
import type { WeightTable } from "../weights/weights.js";

/** What a recipe reads from a checkpoint. */
export interface RecipeInput {
  /** config.json. */
  config: JsonObject;
  /** generation_config.json, where there is one. */
  generation: JsonObject | undefined;
  weights: WeightTable;
  /** None where the recipe reads no texts. */
  tokens: SpecialTokens;
}

/** What a recipe makes of it. */
export interface RecipeOutput {
  description: ModelDescription;
  spec: ModuleSpec;
  /** Sentences about what may be wrong with the checkpoint, each with what to do. */
  warnings: string[];
}

/** How the checkpoints of one architecture become TorchScript modules. */
export interface Recipe {
  /** `model_type` in config.json. */
  modelType: string;
  /** The class of transformers that the checkpoint was saved from. */
  className: string;
  /** What it is for, in messages. */
  purpose: string;
  /** Whether it needs preprocessor_config.json. */
  readsImages: boolean;
  /** The tokenizer that it needs; undefined where it reads no texts. */
  tokenizer: TokenizerKind | undefined;
  /** @throws ClipBlipError ERR_MODEL_INVALID */
  build: (input: RecipeInput) => Promise<RecipeOutput>;
}
