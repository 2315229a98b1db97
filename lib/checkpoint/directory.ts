import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ClipBlipError } from "../errors.js";
import type { ModuleSpec } from "../native/types.js";
import type { ModelDescription } from "./description.js";
import { descriptionText, type ExtraFiles } from "./extra-files.js";
import { readTextIfPresent } from "./files.js";
import { invalidModel } from "./invalid.js";
import { JsonObject } from "./json.js";
import { readPreprocessorText } from "./preprocessor-text.js";
import { chooseRecipe } from "./recipes.js";
import { SpecialTokens } from "./special-tokens.js";
import { readTokenizerText } from "./tokenizer-text.js";
import { openWeights } from "./weights.js";

/** A checkpoint that was read and understood; the weights themselves are still in their files. */
export interface Checkpoint {
  description: ModelDescription;
  /** What the addon builds the TorchScript module from. */
  spec: ModuleSpec;
  /** The text files that go into an archive, by name. */
  extraFiles: ExtraFiles;
  /** Sentences about what may be wrong with the checkpoint, each with what to do. */
  warnings: string[];
}

/**
 * Reads a Hugging Face checkpoint directory: configuration, tokenizer, preprocessing, and where each weight is. Every
 * file may be hostile; the weights' headers are checked against the files' sizes and the configuration's shapes.
 *
 * @throws ClipBlipError ERR_MODEL_NOT_FOUND when there is no such directory, ERR_MODEL_INVALID for everything else
 */
export async function openCheckpoint(directory: string): Promise<Checkpoint> {
  await assertDirectory(directory);
  const config = await readTextIfPresent(join(directory, "config.json"));
  if (config === undefined) {
    throw invalidModel(
      `${directory} has no config.json: it is not a checkpoint directory of Hugging Face transformers`,
    );
  }
  const configJson = JsonObject.parse(config, "config.json");
  const recipe = chooseRecipe(configJson);
  const preprocessor = recipe.readsImages ? await readPreprocessorText(directory) : undefined;
  const tokenizer = recipe.tokenizer && (await readTokenizerText(directory, recipe.tokenizer));
  const tokenizerConfig = recipe.tokenizer
    ? await readTextIfPresent(join(directory, "tokenizer_config.json"))
    : undefined;
  const generation = await readTextIfPresent(join(directory, "generation_config.json"));

  const { description, spec, warnings } = await recipe.build({
    config: configJson,
    generation: generation === undefined ? undefined : JsonObject.parse(generation, "generation_config.json"),
    weights: await openWeights(directory),
    tokens: new SpecialTokens(tokenizer ?? "{}", tokenizerConfig),
  });
  const extraFiles: ExtraFiles = {
    "clip-blip.json": descriptionText(description),
    ...(preprocessor === undefined ? {} : { "preprocessor_config.json": preprocessor }),
    ...(tokenizer === undefined ? {} : { "tokenizer.json": tokenizer }),
    ...(tokenizerConfig === undefined ? {} : { "tokenizer_config.json": tokenizerConfig }),
    ...(generation === undefined ? {} : { "generation_config.json": generation }),
  };
  return { description, spec, extraFiles, warnings };
}

async function assertDirectory(path: string): Promise<void> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new ClipBlipError("ERR_MODEL_NOT_FOUND", `There is no checkpoint directory ${path}`, { cause });
  });
  if (!found.isDirectory()) throw invalidModel(`${path} is not a directory`);
}
