import type { TensorSlice } from "../../native/types.js";
import { sliceRows, transpose } from "./tensors.js";
import { WeightTable } from "./weights.js";

/** Where OpenAI's code, and open_clip like it, store a tensor of CLIP. */
interface OpenAiTensor {
  name: string;
  /** Whether its two dimensions are swapped. */
  transposed?: boolean;
  /** Which third of the rows it is, if three tensors are concatenated. */
  third?: 0 | 1 | 2;
}

/** Names in transformers to names in OpenAI's code. */
const TENSORS: Readonly<Record<string, OpenAiTensor>> = {
  logit_scale: { name: "logit_scale" },
  "visual_projection.weight": { name: "visual.proj", transposed: true },
  "text_projection.weight": { name: "text_projection", transposed: true },
  "vision_model.embeddings.patch_embedding.weight": { name: "visual.conv1.weight" },
  "vision_model.embeddings.class_embedding": { name: "visual.class_embedding" },
  "vision_model.embeddings.position_embedding.weight": { name: "visual.positional_embedding" },
  "text_model.embeddings.token_embedding.weight": { name: "token_embedding.weight" },
  "text_model.embeddings.position_embedding.weight": { name: "positional_embedding" },
};

/** Modules in transformers to modules in OpenAI's code. */
const MODULES: Readonly<Record<string, string>> = {
  "vision_model.pre_layrnorm": "visual.ln_pre",
  "vision_model.post_layernorm": "visual.ln_post",
  "text_model.final_layer_norm": "ln_final",
};

const ENCODERS: Readonly<Record<string, string>> = {
  vision_model: "visual.transformer.resblocks",
  text_model: "transformer.resblocks",
};

/** Modules of a layer in transformers to those in OpenAI's code. */
const LAYER_MODULES: Readonly<Record<string, string>> = {
  "self_attn.out_proj": "attn.out_proj",
  layer_norm1: "ln_1",
  layer_norm2: "ln_2",
  "mlp.fc1": "mlp.c_fc",
  "mlp.fc2": "mlp.c_proj",
};

/** In their order in `in_proj`. */
const ATTENTION_INPUTS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"];

/** The weights of a CLIP with OpenAI's names, looked up by their names in transformers. Errors use OpenAI's names. */
export class OpenAiWeights extends WeightTable {
  override require(name: string, shape: readonly number[]): TensorSlice {
    const { name: theirs, transposed, third } = openAiTensor(name);
    if (transposed) return transpose(super.require(theirs, [...shape].reverse()));
    if (third === undefined) return super.require(theirs, shape);
    const [rows, ...rest] = shape;
    return sliceRows(super.require(theirs, [3 * rows!, ...rest]), third * rows!, (third + 1) * rows!);
  }
}

/** @throws Error for a name that the CLIP recipe never asks for */
function openAiTensor(name: string): OpenAiTensor {
  const tensor = TENSORS[name];
  if (tensor !== undefined) return tensor;
  const [, module, part] = /^(.+)\.(weight|bias)$/.exec(name) ?? [];
  if (module !== undefined && MODULES[module] !== undefined) return { name: `${MODULES[module]}.${part}` };
  const [, tower, layer, inLayer] = /^(\w+)\.encoder\.layers\.(\d+)\.(.+)$/.exec(module ?? "") ?? [];
  const encoder = ENCODERS[tower ?? ""];
  const theirs = LAYER_MODULES[inLayer ?? ""];
  const third = ATTENTION_INPUTS.indexOf(inLayer ?? "");
  if (encoder !== undefined && theirs !== undefined) return { name: `${encoder}.${layer}.${theirs}.${part}` };
  if (encoder !== undefined && third >= 0) {
    return { name: `${encoder}.${layer}.attn.in_proj_${part}`, third: third as 0 | 1 | 2 };
  }
  throw new Error(`OpenAI's CLIP has no counterpart of ${name}`);
}
