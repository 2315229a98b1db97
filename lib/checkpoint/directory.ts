import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ClipBlipError } from "../common/errors.js";
import { brief } from "../common/quote.js";
import { type Checkpoint, toCheckpoint } from "./checkpoint.js";
import { fileSize, readTextIfPresent } from "./files.js";
import { invalidModel } from "./invalid.js";
import { JsonObject } from "./json.js";
import { isOpenClip, openOpenClip } from "./open-clip.js";
import { chooseRecipe } from "./recipes/recipes.js";
import { modelDirectory } from "./sentence-transformers.js";
import { SpecialTokens } from "./tokenizers/special-tokens.js";
import { readTokenizer } from "./tokenizers/tokenizer.js";
import { openWeights, WEIGHT_FORMATS } from "./weights/weights.js";

/**
 * Reads a checkpoint directory of Hugging Face transformers, or of open_clip if it contains nothing else:
 * configuration, tokenizer, preprocessing, and the location of each weight. No file is trusted; the headers of the
 * weights are checked against the file sizes and the shapes from the configuration.
 *
 * @throws ClipBlipError ERR_MODEL_NOT_FOUND if the directory does not exist, otherwise ERR_MODEL_INVALID
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  await assertDirectory(path);
  const directory = await modelDirectory(path);
  if ((await isOpenClip(directory)) && !(await isTransformers(directory))) return openOpenClip(directory);
  const config = await readTextIfPresent(join(directory, "config.json"));
  if (await isAdapter(directory)) throw adapterAlone(directory);
  if (config === undefined) {
    throw invalidModel(`${directory} has no config.json: pass a checkpoint directory of Hugging Face transformers`);
  }
  const configJson = JsonObject.parse(config, "config.json");
  const recipe = chooseRecipe(configJson);
  const preprocessor = recipe.readsImages ? await readPreprocessorText(directory) : undefined;
  const tokenizer = recipe.tokenizer && (await readTokenizer(directory, recipe.tokenizer));
  const generation = await readTextIfPresent(join(directory, "generation_config.json"));

  const weights = await openWeights(directory);
  const output = await recipe.build({
    config: configJson,
    generation: generation === undefined ? undefined : JsonObject.parse(generation, "generation_config.json"),
    weights,
    tokens: new SpecialTokens(tokenizer?.tokenizer ?? "{}", tokenizer?.config),
  });
  const warnings = [...weights.warnings, ...output.warnings];
  return toCheckpoint(
    { ...output, warnings },
    {
      "preprocessor_config.json": preprocessor,
      "tokenizer.json": tokenizer?.tokenizer,
      "tokenizer_config.json": tokenizer?.config,
      "generation_config.json": generation,
    },
  );
}

/** The configuration of an adapter, as PEFT (LoRA and the like) saves it. */
export const ADAPTER_CONFIG = "adapter_config.json";

/** The error for an adapter without the model that it changes. */
export function adapterAlone(where: string): ClipBlipError {
  return invalidModel(
    `${where} has an adapter (${ADAPTER_CONFIG}) but no weights of a model: merge it into its base model first, in Python with merge_and_unload() and save_pretrained()`,
  );
}

async function isAdapter(directory: string): Promise<boolean> {
  if ((await fileSize(join(directory, ADAPTER_CONFIG))) === undefined) return false;
  return !(await hasWeights(directory));
}

/** Whether transformers can read the directory; many repositories contain a model in both formats. */
async function isTransformers(directory: string): Promise<boolean> {
  return (await fileSize(join(directory, "config.json"))) !== undefined && hasWeights(directory);
}

async function hasWeights(directory: string): Promise<boolean> {
  const sizes = await Promise.all(WEIGHT_FORMATS.map(({ file }) => fileSize(join(directory, file))));
  return sizes.some((size) => size !== undefined);
}

async function assertDirectory(path: string): Promise<void> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new ClipBlipError("ERR_MODEL_NOT_FOUND", `There is no checkpoint directory ${brief(path)}: check the path`, {
      cause,
    });
  });
  if (!found.isDirectory())
    throw invalidModel(`${brief(path)} is not a directory: pass the directory that contains config.json`);
}

/**
 * Contents of preprocessor_config.json. transformers 5 stores the same values under `image_processor` in
 * processor_config.json, and prefers them.
 * @throws ClipBlipError ERR_MODEL_INVALID if neither file exists
 */
async function readPreprocessorText(directory: string): Promise<string> {
  const processor = await readTextIfPresent(join(directory, "processor_config.json"));
  if (processor !== undefined) {
    const image = JsonObject.parse(processor, "processor_config.json").object("image_processor");
    if (image !== undefined) return `${JSON.stringify(Object.fromEntries(image.entries()), null, 2)}\n`;
  }
  const text = await readTextIfPresent(join(directory, "preprocessor_config.json"));
  if (text !== undefined) return text;
  throw invalidModel(`${directory} has no preprocessor_config.json: copy it from the model's repository`);
}
