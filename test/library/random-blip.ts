import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryPath } from "./models.js";
import { linear, norm, type Shape, writeSafetensors } from "./random-checkpoint.js";

/** Size of a BLIP checkpoint that writes captions; its tower and its decoder are as wide and as deep as each other. */
export interface BlipSize {
  width: number;
  layers: number;
  heads: number;
  vocabulary: number;
  /** Side of the input, in pixels. */
  imageSize: number;
  /** Side of a patch, in pixels. */
  patch: number;
}

const DECODER = "text_decoder.bert";
const PREDICTIONS = "text_decoder.cls.predictions";
/** The most tokens of a caption. */
const POSITIONS = 64;

/** Writes a BLIP checkpoint of any size with the parameter names of real ones; gives back the bytes of its weights. */
export function writeRandomBlip(directory: string, size: BlipSize): number {
  const { width, layers, heads, vocabulary, imageSize, patch } = size;
  const tower = {
    hidden_size: width,
    intermediate_size: 4 * width,
    num_hidden_layers: layers,
    num_attention_heads: heads,
  };
  const config = {
    model_type: "blip",
    architectures: ["BlipForConditionalGeneration"],
    vision_config: { ...tower, image_size: imageSize, patch_size: patch },
    text_config: {
      ...tower,
      encoder_hidden_size: width,
      vocab_size: vocabulary,
      max_position_embeddings: POSITIONS,
      bos_token_id: vocabulary - 2,
      sep_token_id: 3,
      pad_token_id: 0,
    },
  };
  const write = (name: string, value: object) => writeFileSync(join(directory, name), JSON.stringify(value));
  write("config.json", config);
  write("preprocessor_config.json", { size: { height: imageSize, width: imageSize } });
  for (const name of ["tokenizer.json", "tokenizer_config.json", "vocab.txt"]) {
    copyFileSync(join(repositoryPath("models/demo-blip"), name), join(directory, name));
  }
  return writeSafetensors(join(directory, "model.safetensors"), [
    ["vision_model.embeddings.class_embedding", [1, 1, width]],
    ["vision_model.embeddings.patch_embedding.weight", [width, 3, patch, patch]],
    ["vision_model.embeddings.patch_embedding.bias", [width]],
    ["vision_model.embeddings.position_embedding", [1, (imageSize / patch) ** 2 + 1, width]],
    ...perLayer("vision_model.encoder.layers", layers, (name) => visionLayer(name, width)),
    ...norm("vision_model.post_layernorm", width),
    [`${DECODER}.embeddings.word_embeddings.weight`, [vocabulary, width]],
    [`${DECODER}.embeddings.position_embeddings.weight`, [POSITIONS, width]],
    ...norm(`${DECODER}.embeddings.LayerNorm`, width),
    ...perLayer(`${DECODER}.encoder.layer`, layers, (name) => decoderLayer(name, width)),
    ...linear(`${PREDICTIONS}.transform.dense`, width, width),
    ...norm(`${PREDICTIONS}.transform.LayerNorm`, width),
    [`${PREDICTIONS}.bias`, [vocabulary]],
  ]);
}

function perLayer(prefix: string, layers: number, shapes: (name: string) => Shape[]): Shape[] {
  return Array.from({ length: layers }, (_, layer) => shapes(`${prefix}.${layer}`)).flat();
}

function visionLayer(name: string, width: number): Shape[] {
  return [
    ...linear(`${name}.self_attn.qkv`, 3 * width, width),
    ...linear(`${name}.self_attn.projection`, width, width),
    ...norm(`${name}.layer_norm1`, width),
    ...norm(`${name}.layer_norm2`, width),
    ...linear(`${name}.mlp.fc1`, 4 * width, width),
    ...linear(`${name}.mlp.fc2`, width, 4 * width),
  ];
}

function decoderLayer(name: string, width: number): Shape[] {
  const attention = (kind: string) => [
    ...["query", "key", "value"].flatMap((part) => linear(`${name}.${kind}.self.${part}`, width, width)),
    ...linear(`${name}.${kind}.output.dense`, width, width),
    ...norm(`${name}.${kind}.output.LayerNorm`, width),
  ];
  return [
    ...attention("attention"),
    ...attention("crossattention"),
    ...linear(`${name}.intermediate.dense`, 4 * width, width),
    ...linear(`${name}.output.dense`, width, 4 * width),
    ...norm(`${name}.output.LayerNorm`, width),
  ];
}
