import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { withFile } from "../../common/files.js";
import type { TensorSlice } from "../../native/types.js";
import { fileSize, readExactly } from "../files.js";
import { invalidModel, quote } from "../invalid.js";
import { readSafetensors } from "./safetensors.js";
import { readSharded, type WeightReader } from "./sharded.js";
import { DTYPE_BYTES, FLOAT_DTYPES } from "./tensors.js";
import { readTorchBin } from "./torch-bin.js";

/** Kinds of weights files, in the order in which transformers looks for them. */
export const WEIGHT_FORMATS: readonly { file: string; index: boolean; read: WeightReader }[] = [
  { file: "model.safetensors", index: false, read: readSafetensors },
  { file: "model.safetensors.index.json", index: true, read: readSafetensors },
  { file: "pytorch_model.bin", index: false, read: readTorchBin },
  { file: "pytorch_model.bin.index.json", index: true, read: readTorchBin },
];

/** The tensors of a checkpoint, by name. */
export class WeightTable {
  readonly #tensors: ReadonlyMap<string, TensorSlice>;
  /** The weights file, or the index of several. */
  readonly path: string;
  /** Sentences about possible problems. */
  readonly warnings: string[];
  readonly #configuration: string;

  /** @param configuration what determines the tensors' shapes, in messages */
  constructor(tensors: ReadonlyMap<string, TensorSlice>, path: string, configuration = "config.json") {
    const prefix = wrapperOf([...tensors.keys()]);
    this.#tensors = new Map([...tensors].map(([name, tensor]) => [name.slice(prefix.length), tensor]));
    this.warnings =
      prefix === ""
        ? []
        : [`All tensors in ${path} have the prefix ${quote(prefix)}, which was left out. Save the model without it.`];
    this.path = path;
    this.#configuration = configuration;
  }

  get(name: string): TensorSlice | undefined {
    return this.#tensors.get(name);
  }

  names(): string[] {
    return [...this.#tensors.keys()];
  }

  /**
   * A floating-point tensor of exactly this shape.
   * @throws ClipBlipError ERR_MODEL_INVALID with the name, the expected and the actual shape
   */
  require(name: string, shape: readonly number[]): TensorSlice {
    const tensor = this.#tensors.get(name);
    const expected = `[${shape.join(", ")}]`;
    if (tensor === undefined) {
      throw invalidModel(`Tensor ${quote(name)} of shape ${expected} is missing in ${this.path}`);
    }
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, axis) => size !== shape[axis])) {
      throw invalidModel(
        `Tensor ${quote(name)} in ${this.path} has shape [${tensor.shape.join(", ")}], but ${this.#configuration} requires ${expected}`,
      );
    }
    if (FLOAT_DTYPES[tensor.dtype] === undefined) {
      throw invalidModel(
        `Tensor ${quote(name)} in ${this.path} has dtype ${tensor.dtype}: quantized checkpoints are not supported`,
      );
    }
    return tensor;
  }

  /** The value of a tensor with one element; undefined if the tensor does not exist. */
  async scalar(name: string): Promise<number | undefined> {
    const found = this.#tensors.get(name);
    if (found === undefined) return undefined;
    const { file: path, offset, storageOffset = 0, dtype } = this.require(name, found.shape.length === 1 ? [1] : []);
    const size = DTYPE_BYTES[dtype];
    return withFile(path, async (file) =>
      decodeFloat(await readExactly(file, offset + storageOffset * size, size, path), dtype),
    );
  }

  /** Whether two tensors have the same bytes, in the same place or as copies. */
  async same(a: TensorSlice, b: TensorSlice): Promise<boolean> {
    if (a.dtype !== b.dtype || a.byteLength !== b.byteLength || a.strides !== undefined || b.strides !== undefined) {
      return false;
    }
    if (a.file === b.file && a.offset === b.offset) return true;
    return withFile(a.file, (first) => withFile(b.file, (second) => sameBytes(first, a, second, b)));
  }
}

/** Whether two slices of the same length have the same bytes. */
async function sameBytes(first: FileHandle, a: TensorSlice, second: FileHandle, b: TensorSlice): Promise<boolean> {
  const step = 1 << 22;
  for (let start = 0; start < a.byteLength; start += step) {
    const length = Math.min(step, a.byteLength - start);
    const [one, other] = await Promise.all([
      readExactly(first, a.offset + start, length, a.file),
      readExactly(second, b.offset + start, length, b.file),
    ]);
    if (!one.equals(other)) return false;
  }
  return true;
}

/** First parts of the tensors' names in CLIP, SigLIP and BLIP, as transformers, OpenAI and open_clip name them. */
const PARTS = new Set(
  `vision_model text_model text_decoder text_encoder vision_proj text_proj itm_head visual_projection text_projection
  logit_scale logit_bias visual transformer token_embedding positional_embedding ln_final
  embeddings encoder pre_layrnorm post_layernorm final_layer_norm head`.split(/\s+/),
);

/**
 * The names of modules around a model that its tensors were saved with, such as "module." (DataParallel) or
 * "model.clip.": what all names have in common, up to the first part that belongs to the model itself.
 */
function wrapperOf(names: readonly string[]): string {
  const parts = (names[0] ?? "").split(".");
  let prefix = "";
  for (const part of parts.slice(0, -1)) {
    if (PARTS.has(part) || !names.every((name) => name.startsWith(`${prefix}${part}.`))) break;
    prefix += `${part}.`;
  }
  return prefix;
}

/**
 * Reads where the weights of a checkpoint directory are, from the first kind of file in transformers' order.
 * @throws ClipBlipError ERR_MODEL_INVALID if there is none, or if it is invalid
 */
export async function openWeights(directory: string): Promise<WeightTable> {
  for (const { file, index, read } of WEIGHT_FORMATS) {
    const path = join(directory, file);
    if ((await fileSize(path)) === undefined) continue;
    return new WeightTable(index ? await readSharded(path, read) : await read(path), path);
  }
  const names = WEIGHT_FORMATS.map(({ file }) => file).join(", ");
  throw invalidModel(`${directory} has no weights: expected one of ${names}`);
}

function decodeFloat(bytes: Buffer, dtype: TensorSlice["dtype"]): number {
  if (dtype === "F64") return bytes.readDoubleLE();
  if (dtype === "F32") return bytes.readFloatLE();
  const bits = bytes.readUInt16LE();
  if (dtype === "BF16") return decodeFloat32Bits(bits << 16);
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const sign = bits >> 15 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function decodeFloat32Bits(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setInt32(0, bits);
  return view.getFloat32(0);
}
