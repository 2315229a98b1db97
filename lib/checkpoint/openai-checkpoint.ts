import { readFile } from "node:fs/promises";
import type { TensorSlice } from "../native/types.js";
import { packagePath } from "../package-path.js";
import { type Checkpoint, toCheckpoint } from "./checkpoint.js";
import { clipRecipe } from "./clip-recipe.js";
import { buildClipTokenizerFromMerges } from "./clip-tokenizer-json.js";
import { invalidModel } from "./invalid.js";
import { type OpenAiOptions, openAiConfig } from "./openai-config.js";
import { OpenAiWeights } from "./openai-weights.js";
import { SpecialTokens } from "./special-tokens.js";
import { WeightTable } from "./weights.js";

/** Ids of CLIP's tokenizer. */
const VOCABULARY = 49408;

const TOKENIZER_CONFIG = {
  tokenizer_class: "CLIPTokenizer",
  bos_token: "<|startoftext|>",
  eos_token: "<|endoftext|>",
  pad_token: "<|endoftext|>",
  unk_token: "<|endoftext|>",
};

/**
 * A CLIP whose weights have the names of OpenAI's code. Its tokenizer is the one that this package ships,
 * models/clip-tokenizer.
 *
 * @param tensors of the file `path`
 * @param preprocessor what preprocessor_config.json says beside, or in place of, the size of pictures in pixels
 * @throws ClipBlipError ERR_MODEL_INVALID
 */
export async function openOpenAiCheckpoint(
  tensors: ReadonlyMap<string, TensorSlice>,
  path: string,
  options: OpenAiOptions,
  preprocessor: (imageSize: number) => object = () => ({}),
): Promise<Checkpoint> {
  const config = openAiConfig(new WeightTable(tensors, path), options);
  const tokenizer = await shippedTokenizer();
  const tokenizerConfig = `${JSON.stringify(TOKENIZER_CONFIG, null, 2)}\n`;
  const output = await clipRecipe.build({
    config,
    generation: undefined,
    weights: new OpenAiWeights(tensors, path, "the shape of another tensor"),
    tokens: new SpecialTokens(tokenizer, tokenizerConfig),
  });
  const { vocabularySize, imageSize } = output.description;
  if (vocabularySize !== VOCABULARY) {
    throw invalidModel(
      `${path} has ${vocabularySize} tokens, and CLIP's tokenizer has ${VOCABULARY}: convert it to a checkpoint of transformers with its own tokenizer`,
    );
  }
  return toCheckpoint(output, {
    "preprocessor_config.json": preprocessorText(imageSize!, preprocessor(imageSize!)),
    "tokenizer.json": tokenizer,
    "tokenizer_config.json": tokenizerConfig,
  });
}

function preprocessorText(imageSize: number, more: object): string {
  const square = { height: imageSize, width: imageSize };
  const config = {
    image_processor_type: "CLIPImageProcessor",
    size: { shortest_edge: imageSize },
    crop_size: square,
    ...more,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

async function shippedTokenizer(): Promise<string> {
  return buildClipTokenizerFromMerges(await readFile(packagePath("models/clip-tokenizer/merges.txt"), "utf8"));
}
