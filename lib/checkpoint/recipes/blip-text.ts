import type { WeightTable } from "../weights/weights.js";
import type { BlipConfig } from "./blip-config.js";
import { activationMethod, type ModulePart, torchscriptSource } from "./module-part.js";
import type { ParameterBuilder } from "./parameters.js";

const BERT = "text_decoder.bert";
const WORD_EMBEDDING = `${BERT}.embeddings.word_embeddings.weight`;
const PREDICTIONS = "text_decoder.cls.predictions";

/**
 * Adds the parameters of BLIP's decoder; returns its methods (models/torchscript/blip_decoder.py) and constants.
 * @param looksAt width of the states that its cross-attention reads
 * @throws ClipBlipError ERR_MODEL_INVALID if a tensor is missing or has another shape
 */
export async function addBlipDecoder(
  builder: ParameterBuilder,
  config: BlipConfig,
  weights: WeightTable,
  looksAt: number,
): Promise<ModulePart> {
  const { width, heads } = config.text;
  const bert = await addBert(builder, config, { prefix: "text", path: BERT, looksAt });
  builder.linear("head", `${PREDICTIONS}.transform.dense`, width, width);
  builder.norm("head_norm", `${PREDICTIONS}.transform.LayerNorm`, width);
  const outputEmbedding = await addOutputTable(builder, config, weights);
  return {
    ...bert,
    source: await torchscriptSource(["blip_decoder"], [bert.source, outputEmbedding]),
    ints: { ...bert.ints, text_head_dim: width / heads },
  };
}

/**
 * Adds the output layer, which turns states into token scores; returns the method that names its table. Most
 * checkpoints share the word embedding, by omitting the table or by storing a copy of it; then it is stored once. A
 * different table is used as it is, as in transformers.
 */
async function addOutputTable(
  builder: ParameterBuilder,
  { text, vocabulary }: BlipConfig,
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

/** Where a BERT is in the checkpoint, and its name in the TorchScript module. */
export interface BertNames {
  /** Prefix of the parameters' names: "text" for the decoder, "reader" for the encoder. */
  prefix: "text" | "reader";
  /** Path of the module in the checkpoint. */
  path: string;
  /** Width of the states that its cross-attention reads. */
  looksAt: number;
}

/**
 * Adds the parameters of a BERT with cross-attention; returns its methods (models/torchscript/bert.py) and constants.
 * @throws ClipBlipError ERR_MODEL_INVALID if a tensor is missing or has another shape
 */
export async function addBert(
  builder: ParameterBuilder,
  { text, vocabulary, positions }: BlipConfig,
  { prefix, path, looksAt }: BertNames,
): Promise<ModulePart> {
  const { layers, width, hidden, heads } = text;
  const at = (layer: number, module: string) => `${path}.encoder.layer.${layer}.${module}`;
  const pieces = (attention: string, names: string[]) => (layer: number) =>
    names.map((name) => at(layer, `${attention}.self.${name}`));

  builder.tensor(`${prefix}_embedding`, `${path}.embeddings.word_embeddings.weight`, [vocabulary, width]);
  builder.tensor(`${prefix}_positions`, `${path}.embeddings.position_embeddings.weight`, [positions, width]);
  builder.norm(`${prefix}_input_norm`, `${path}.embeddings.LayerNorm`, width);

  builder.stackedLinear(`${prefix}_qkv`, layers, pieces("attention", ["query", "key", "value"]), width, width);
  builder.stackedLinear(`${prefix}_out`, layers, (i) => [at(i, "attention.output.dense")], width, width);
  builder.stackedNorm(`${prefix}_norm1`, layers, (i) => at(i, "attention.output.LayerNorm"), width);

  builder.stackedLinear(`${prefix}_cross_q`, layers, pieces("crossattention", ["query"]), width, width);
  builder.stackedLinear(`${prefix}_cross_kv`, layers, pieces("crossattention", ["key", "value"]), width, looksAt);
  builder.stackedLinear(`${prefix}_cross_out`, layers, (i) => [at(i, "crossattention.output.dense")], width, width);
  builder.stackedNorm(`${prefix}_cross_norm`, layers, (i) => at(i, "crossattention.output.LayerNorm"), width);

  builder.stackedLinear(`${prefix}_up`, layers, (i) => [at(i, "intermediate.dense")], hidden, width);
  builder.stackedLinear(`${prefix}_down`, layers, (i) => [at(i, "output.dense")], width, hidden);
  builder.stackedNorm(`${prefix}_norm2`, layers, (i) => at(i, "output.LayerNorm"), width);

  const methods = await torchscriptSource(["bert"], []);
  return {
    source: [methods.replaceAll("TOWER", prefix), activationMethod(`${prefix}_activation`, text.activation)].join(
      "\n\n",
    ),
    ints: {
      [`${prefix}_layers`]: layers,
      [`${prefix}_heads`]: heads,
      // Read by the addon, which rejects token ids beyond it.
      vocab_size: vocabulary,
    },
    floats: { [`${prefix}_epsilon`]: text.epsilon },
    bools: {},
  };
}
