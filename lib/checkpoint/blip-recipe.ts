import { activationMethod } from "./activation.js";
import { readGenerationDefaults } from "./generation.js";
import { JsonObject } from "./json.js";
import { ParameterBuilder } from "./parameters.js";
import { type PatchGrid, readPatchGrid } from "./patch-grid.js";
import type { Recipe, RecipeInput, RecipeOutput } from "./recipe.js";
import { torchscriptSource } from "./torchscript.js";
import { addEncoderLayers, readTowerSizes, type TowerSizes } from "./tower.js";
import type { WeightTable } from "./weights.js";

/** BLIP captioning, base and large. The methods are those of models/torchscript/blip.py. */
export const blipRecipe: Recipe = {
  modelType: "blip",
  className: "BlipForConditionalGeneration",
  purpose: "BLIP captions",
  readsImages: true,
  tokenizer: "bert",
  build: buildBlip,
};

/** Class defaults of transformers: BlipVisionConfig and BlipTextConfig. */
const DEFAULTS = {
  vision: { layers: 12, heads: 12, width: 768, hidden: 3072, epsilon: 1e-5, activation: "gelu" },
  grid: { imageSize: 384, patchSize: 16 },
  text: { layers: 12, heads: 8, width: 768, hidden: 3072, epsilon: 1e-12, activation: "gelu" },
  vocabulary: 30524,
  positions: 512,
  startTokenId: 30522,
  endTokenId: 102,
  padTokenId: 0,
};

/** What config.json says about the weights of the two towers. */
interface BlipSizes {
  vision: TowerSizes;
  grid: PatchGrid;
  text: TowerSizes;
  vocabulary: number;
  positions: number;
}

const WORD_EMBEDDING = "text_decoder.bert.embeddings.word_embeddings.weight";
const PREDICTIONS = "text_decoder.cls.predictions";

async function buildBlip({ config, generation, weights }: RecipeInput): Promise<RecipeOutput> {
  const visionConfig = config.object("vision_config") ?? new JsonObject({}, `${config.where}: vision_config`);
  const textConfig = config.object("text_config") ?? new JsonObject({}, `${config.where}: text_config`);
  const sizes: BlipSizes = {
    vision: readTowerSizes(visionConfig, DEFAULTS.vision),
    grid: readPatchGrid(visionConfig, DEFAULTS.grid),
    text: readTowerSizes(textConfig, DEFAULTS.text),
    vocabulary: textConfig.integer("vocab_size", { fallback: DEFAULTS.vocabulary, min: 1 }),
    positions: textConfig.integer("max_position_embeddings", { fallback: DEFAULTS.positions, min: 2 }),
  };
  const token = (key: string, fallback: number) => textConfig.integer(key, { fallback, max: sizes.vocabulary - 1 });

  const builder = new ParameterBuilder(weights);
  addVision(builder, sizes);
  addDecoder(builder, sizes);
  const headMethod = await addHead(builder, sizes, weights);
  const source = await torchscriptSource(
    ["blip"],
    [
      activationMethod("vision_activation", sizes.vision.activation),
      activationMethod("text_activation", sizes.text.activation),
      headMethod,
    ],
  );
  return {
    description: {
      formatVersion: 1,
      architecture: "blip",
      imageSize: sizes.grid.imageSize,
      contextLength: sizes.positions,
      vocabularySize: sizes.vocabulary,
      startTokenId: token("bos_token_id", DEFAULTS.startTokenId),
      endTokenId: token("sep_token_id", DEFAULTS.endTokenId),
      padTokenId: token("pad_token_id", DEFAULTS.padTokenId),
      weightsDtype: builder.dtype(),
      generation: readGenerationDefaults(generation, textConfig),
    },
    spec: {
      source,
      ints: {
        vision_layers: sizes.vision.layers,
        vision_heads: sizes.vision.heads,
        patch_size: sizes.grid.patchSize,
        text_layers: sizes.text.layers,
        text_heads: sizes.text.heads,
        text_head_dim: sizes.text.width / sizes.text.heads,
        // Read by the addon, which refuses token ids beyond it.
        vocab_size: sizes.vocabulary,
      },
      floats: { vision_epsilon: sizes.vision.epsilon, text_epsilon: sizes.text.epsilon },
      bools: {},
      parameters: builder.parameters,
    },
    warnings: headWarnings(sizes.text),
  };
}

function addVision(builder: ParameterBuilder, { vision, grid }: BlipSizes): void {
  const { width } = vision;
  const { patchSize, tokens } = grid;
  const embeddings = "vision_model.embeddings";
  builder.tensor("vision_patch_weight", `${embeddings}.patch_embedding.weight`, [width, 3, patchSize, patchSize]);
  builder.tensor("vision_patch_bias", `${embeddings}.patch_embedding.bias`, [width]);
  builder.tensor("vision_class_embedding", `${embeddings}.class_embedding`, [1, 1, width]);
  builder.tensor("vision_positions", `${embeddings}.position_embedding`, [1, tokens, width]);
  addEncoderLayers(builder, vision, {
    prefix: "vision",
    path: "vision_model.encoder.layers",
    qkv: ["qkv"],
    out: "projection",
  });
  builder.norm("vision_output_norm", "vision_model.post_layernorm", width);
}

function addDecoder(builder: ParameterBuilder, { vision, text, vocabulary, positions }: BlipSizes): void {
  const { layers, width, hidden } = text;
  const bert = "text_decoder.bert";
  const at = (layer: number, module: string) => `${bert}.encoder.layer.${layer}.${module}`;
  const pieces = (attention: string, names: string[]) => (layer: number) =>
    names.map((name) => at(layer, `${attention}.self.${name}`));

  builder.tensor("text_embedding", WORD_EMBEDDING, [vocabulary, width]);
  builder.tensor("text_positions", `${bert}.embeddings.position_embeddings.weight`, [positions, width]);
  builder.norm("text_input_norm", `${bert}.embeddings.LayerNorm`, width);

  builder.stackedLinear("text_qkv", layers, pieces("attention", ["query", "key", "value"]), width, width);
  builder.stackedLinear("text_out", layers, (i) => [at(i, "attention.output.dense")], width, width);
  builder.stackedNorm("text_norm1", layers, (i) => at(i, "attention.output.LayerNorm"), width);

  // Keys and values are read from the states of the image tower, which is wider than the decoder in the large model.
  builder.stackedLinear("cross_q", layers, pieces("crossattention", ["query"]), width, width);
  builder.stackedLinear("cross_kv", layers, pieces("crossattention", ["key", "value"]), width, vision.width);
  builder.stackedLinear("cross_out", layers, (i) => [at(i, "crossattention.output.dense")], width, width);
  builder.stackedNorm("cross_norm", layers, (i) => at(i, "crossattention.output.LayerNorm"), width);

  builder.stackedLinear("text_up", layers, (i) => [at(i, "intermediate.dense")], hidden, width);
  builder.stackedLinear("text_down", layers, (i) => [at(i, "output.dense")], width, hidden);
  builder.stackedNorm("text_norm2", layers, (i) => at(i, "output.LayerNorm"), width);

  builder.linear("head", `${PREDICTIONS}.transform.dense`, width, width);
  builder.norm("head_norm", `${PREDICTIONS}.transform.LayerNorm`, width);
}

/**
 * Adds what turns states into scores of words, and gives the method that names the table. Most checkpoints use the
 * word embedding for it, as no table of its own or as a copy of the same numbers; then it is kept once. As in
 * transformers, a table with other numbers is used as it is.
 */
async function addHead(
  builder: ParameterBuilder,
  { text, vocabulary }: BlipSizes,
  weights: WeightTable,
): Promise<string> {
  const ownBias = `${PREDICTIONS}.decoder.bias`;
  const bias = weights.get(ownBias) === undefined ? `${PREDICTIONS}.bias` : ownBias;
  builder.tensor("output_bias", bias, [vocabulary]);

  const ownTable = `${PREDICTIONS}.decoder.weight`;
  const shape = [vocabulary, text.width];
  const tied =
    weights.get(ownTable) === undefined ||
    (await weights.same(weights.require(ownTable, shape), weights.require(WORD_EMBEDDING, shape)));
  if (!tied) builder.tensor("output_table", ownTable, shape);
  return `def output_embedding(self) -> Tensor:\n    return self.${tied ? "text_embedding" : "output_table"}\n`;
}

/** Until April 2023 the published configurations lacked the number of heads, and the class default is another. */
function headWarnings({ width, heads }: TowerSizes): string[] {
  if (width !== 768 || heads !== 8) return [];
  return [
    "config.json gives BLIP's text decoder 8 attention heads at width 768: every published BLIP has 12, and with 8 its " +
      'captions are worse. Set "num_attention_heads": 12 in text_config, or download the checkpoint again, unless you ' +
      "trained it with 8.",
  ];
}
