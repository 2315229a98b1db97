import { addBert } from "./bert.js";
import type { BlipConfig } from "./blip-config.js";
import type { ModulePart } from "./module-part.js";
import type { ParameterBuilder } from "./parameters.js";
import { torchscriptSource } from "./torchscript.js";
import type { WeightTable } from "./weights.js";

const BERT = "text_decoder.bert";
const WORD_EMBEDDING = `${BERT}.embeddings.word_embeddings.weight`;
const PREDICTIONS = "text_decoder.cls.predictions";

/**
 * Adds the parameters of BLIP's decoder; gives its methods, those of models/torchscript/blip_decoder.py, and its
 * constants.
 * @param looksAt width of the states that it writes about
 * @throws ClipBlipError ERR_MODEL_INVALID when a tensor is missing or its shape is another
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
 * Adds what turns states into scores of words, and gives the method that names the table. Most checkpoints use the
 * word embedding for it, as no table of its own or as a copy of the same numbers; then it is kept once. As in
 * transformers, a table with other numbers is used as it is.
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
