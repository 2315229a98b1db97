import { closeSync, copyFileSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { repositoryPath } from "./models.js";

/** Size of the two towers of a CLIP checkpoint. */
export interface ClipSize {
  width: number;
  layers: number;
  vocabulary: number;
  /** Side of the input, in pixels. Default 64. */
  imageSize?: number;
  /** Side of a patch, in pixels. Default 16. */
  patch?: number;
}

/** Writes a CLIP checkpoint of any size with the parameter names of real ones; gives back the bytes of its weights. */
export function writeRandomClip(directory: string, size: ClipSize): number {
  const { width, layers, vocabulary, imageSize = 64, patch = 16 } = size;
  const tower = { hidden_size: width, intermediate_size: 4 * width, num_hidden_layers: layers, num_attention_heads: 8 };
  const config = {
    model_type: "clip",
    architectures: ["CLIPModel"],
    projection_dim: 64,
    text_config: { ...tower, vocab_size: vocabulary, max_position_embeddings: 32, bos_token_id: 0, eos_token_id: 2 },
    vision_config: { ...tower, image_size: imageSize, patch_size: patch },
  };
  writeFileSync(join(directory, "config.json"), JSON.stringify(config));
  const preprocessing = { size: { shortest_edge: imageSize }, crop_size: { height: imageSize, width: imageSize } };
  writeFileSync(join(directory, "preprocessor_config.json"), JSON.stringify(preprocessing));
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
    copyFileSync(join(repositoryPath("models/demo-clip"), name), join(directory, name));
  }
  return writeSafetensors(join(directory, "model.safetensors"), [
    ...encoder("text_model.encoder", width, layers),
    ...encoder("vision_model.encoder", width, layers),
    ...norm("text_model.final_layer_norm", width),
    ...norm("vision_model.pre_layrnorm", width),
    ...norm("vision_model.post_layernorm", width),
    ["text_model.embeddings.token_embedding.weight", [vocabulary, width]],
    ["text_model.embeddings.position_embedding.weight", [32, width]],
    ["vision_model.embeddings.class_embedding", [width]],
    ["vision_model.embeddings.patch_embedding.weight", [width, 3, patch, patch]],
    ["vision_model.embeddings.position_embedding.weight", [(imageSize / patch) ** 2 + 1, width]],
    ["text_projection.weight", [64, width]],
    ["visual_projection.weight", [64, width]],
    ["logit_scale", []],
  ]);
}

export type Shape = [name: string, shape: number[]];

function encoder(prefix: string, width: number, layers: number): Shape[] {
  return Array.from({ length: layers }, (_, layer) => `${prefix}.layers.${layer}`).flatMap((name) => [
    ...["q_proj", "k_proj", "v_proj", "out_proj"].flatMap((part) => linear(`${name}.self_attn.${part}`, width, width)),
    ...norm(`${name}.layer_norm1`, width),
    ...norm(`${name}.layer_norm2`, width),
    ...linear(`${name}.mlp.fc1`, 4 * width, width),
    ...linear(`${name}.mlp.fc2`, width, 4 * width),
  ]);
}

export function linear(name: string, output: number, input: number): Shape[] {
  return [
    [`${name}.weight`, [output, input]],
    [`${name}.bias`, [output]],
  ];
}

export function norm(name: string, width: number): Shape[] {
  return [
    [`${name}.weight`, [width]],
    [`${name}.bias`, [width]],
  ];
}

/** Gives back the bytes of the weights. All values are small and repeat: what matters here is how many there are. */
export function writeSafetensors(path: string, shapes: Shape[]): number {
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = {};
  let end = 0;
  for (const [name, shape] of shapes) {
    const bytes = 4 * shape.reduce((product, side) => product * side, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [end, end + bytes] };
    end += bytes;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const block = new Float32Array(1 << 20).map((_, index) => ((index * 7919) % 1000) / 50_000 - 0.01);
  const file = openSync(path, "w");
  writeSync(file, Buffer.concat([length, text]));
  for (let written = 0; written < end; written += block.byteLength) {
    writeSync(file, block, 0, Math.min(block.byteLength, end - written));
  }
  closeSync(file);
  return end;
}
