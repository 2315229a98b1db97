import { readFile } from "node:fs/promises";
import { packagePath } from "../common/package-path.js";
import type { TensorSlice } from "../native/types.js";
import { type Checkpoint, toCheckpoint } from "./checkpoint.js";
import { invalidModel } from "./invalid.js";
import { JsonObject } from "./json.js";
import { clipRecipe } from "./recipes/clip.js";
import { buildClipTokenizerFromMerges } from "./tokenizers/clip.js";
import { SpecialTokens } from "./tokenizers/special-tokens.js";
import { OpenAiWeights } from "./weights/openai.js";
import { WeightTable } from "./weights/weights.js";

/** Number of tokens of CLIP's tokenizer. */
const VOCABULARY = 49408;

const TOKENIZER_CONFIG = {
  tokenizer_class: "CLIPTokenizer",
  bos_token: "<|startoftext|>",
  eos_token: "<|endoftext|>",
  pad_token: "<|endoftext|>",
  unk_token: "<|endoftext|>",
};

/**
 * Opens a CLIP whose weights have the names of OpenAI's code. Its tokenizer is the one in models/clip-tokenizer.
 *
 * @param tensors of the file `path`
 * @param preprocessor fields of preprocessor_config.json that add to or replace the defaults, given the image size in
 * pixels
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
  const weights = new OpenAiWeights(tensors, path, "the shape of another tensor");
  const output = await clipRecipe.build({
    config,
    generation: undefined,
    weights,
    tokens: new SpecialTokens(tokenizer, tokenizerConfig),
  });
  const { vocabularySize, imageSize } = output.description;
  if (vocabularySize !== VOCABULARY) {
    throw invalidModel(
      `${path} has a vocabulary of ${vocabularySize} tokens, but CLIP's tokenizer has ${VOCABULARY}: convert it to a transformers checkpoint with its own tokenizer`,
    );
  }
  return toCheckpoint(
    { ...output, warnings: [...weights.warnings, ...output.warnings] },
    {
      "preprocessor_config.json": preprocessorText(imageSize!, preprocessor(imageSize!)),
      "tokenizer.json": tokenizer,
      "tokenizer_config.json": tokenizerConfig,
    },
  );
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

/** What does not follow from the shapes of a CLIP's weights. */
export interface OpenAiOptions {
  activation: "quick_gelu" | "gelu";
  /** Width of an attention head of the image tower. */
  visionHeadWidth: number;
  /** Number of heads of the text tower. Default: one for each 64 of its width. */
  textHeads?: number | undefined;
}

/** The values that OpenAI's code assumes for bare weights: `build_model` in clip/model.py. */
export const OPENAI_OPTIONS: OpenAiOptions = { activation: "quick_gelu", visionHeadWidth: 64 };

const HEAD_WIDTH = 64;

/**
 * The sizes of a CLIP, derived from the shapes of its weights, as transformers' config.json.
 * @param weights with OpenAI's names
 * @throws ClipBlipError ERR_MODEL_INVALID if the weights are not a CLIP's
 */
function openAiConfig(weights: WeightTable, options: OpenAiOptions): JsonObject {
  const { path } = weights;
  const shapeOf = (name: string, rank: number) => {
    const shape = weights.get(name)?.shape;
    if (shape?.length === rank && !shape.includes(0)) return shape as [number, number];
    throw invalidModel(`${path} has no tensor "${name}" with ${rank} dimensions: it is not a CLIP with OpenAI's names`);
  };
  const layersOf = (encoder: string) =>
    weights.names().reduce((layers, name) => {
      const index = name.startsWith(`${encoder}.`) ? /^\d+/.exec(name.slice(encoder.length + 1)) : null;
      return index === null ? layers : Math.max(layers, Number(index[0]) + 1);
    }, 0);
  const tower = (encoder: string, width: number) => ({
    hidden_size: width,
    intermediate_size: shapeOf(`${encoder}.0.mlp.c_fc.weight`, 2)[0],
    num_hidden_layers: layersOf(encoder),
    hidden_act: options.activation,
  });

  assertVisionTransformer(weights);
  const [visionWidth] = shapeOf("visual.conv1.weight", 4);
  const patchSize = weights.get("visual.conv1.weight")!.shape[3]!;
  const [places] = shapeOf("visual.positional_embedding", 2);
  const side = Math.round(Math.sqrt(places - 1));
  const [vocabulary, textWidth] = shapeOf("token_embedding.weight", 2);
  return new JsonObject(
    {
      projection_dim: shapeOf("text_projection", 2)[1],
      vision_config: {
        ...tower("visual.transformer.resblocks", visionWidth),
        num_attention_heads: Math.floor(visionWidth / options.visionHeadWidth),
        image_size: side * patchSize,
        patch_size: patchSize,
      },
      text_config: {
        ...tower("transformer.resblocks", textWidth),
        num_attention_heads: options.textHeads ?? Math.floor(textWidth / HEAD_WIDTH),
        vocab_size: vocabulary,
        max_position_embeddings: shapeOf("positional_embedding", 2)[0],
        // The end token is the largest id of a text.
        eos_token_id: 2,
      },
    },
    path,
  );
}

function assertVisionTransformer(weights: WeightTable): void {
  if (weights.names().some((name) => name.startsWith("visual.layer1."))) {
    throw invalidModel(
      `${weights.path} is a CLIP with a ResNet (such as RN50), which is not supported: use one of the ViT models`,
    );
  }
  if (weights.names().some((name) => name.startsWith("vision_model."))) {
    throw invalidModel(
      `${weights.path} has the tensor names of Hugging Face transformers: load its directory, with config.json, instead`,
    );
  }
}
