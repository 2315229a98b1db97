import { activationMethod } from "./activation.js";
import type { BlipConfig } from "./blip-config.js";
import type { ModulePart } from "./module-part.js";
import type { ParameterBuilder } from "./parameters.js";
import { torchscriptSource } from "./torchscript.js";

/** Where a BERT is in the checkpoint, and what it is called in the TorchScript module. */
export interface BertNames {
  /** Beginning of the parameters' names: "text" is the decoder, "reader" the encoder. */
  prefix: "text" | "reader";
  /** Path of the module in the checkpoint. */
  path: string;
  /** Width of the states that it looks at. */
  looksAt: number;
}

/**
 * Adds the parameters of a BERT that looks at the states of something; gives the methods of models/torchscript/bert.py
 * and its constants.
 * @throws ClipBlipError ERR_MODEL_INVALID when a tensor is missing or its shape is another
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
      // Read by the addon, which refuses token ids beyond it.
      vocab_size: vocabulary,
    },
    floats: { [`${prefix}_epsilon`]: text.epsilon },
    bools: {},
  };
}
