import type { TensorSlice } from "../native/types.js";
import { DTYPE_BYTES } from "./dtypes.js";

/** The same tensor with its dimensions in the opposite order. */
export function transpose(tensor: TensorSlice): TensorSlice {
  return { ...tensor, shape: [...tensor.shape].reverse(), strides: stridesOf(tensor).reverse() };
}

/** Rows `from` to `to`, the latter not included. */
export function rowsOf(tensor: TensorSlice, from: number, to: number): TensorSlice {
  const shape = [to - from, ...tensor.shape.slice(1)];
  const step = stridesOf(tensor)[0]!;
  if (tensor.strides) return { ...tensor, shape, storageOffset: (tensor.storageOffset ?? 0) + from * step };
  // Side by side in the file: no more than the rows is read.
  const bytes = step * DTYPE_BYTES[tensor.dtype];
  return { ...tensor, shape, offset: tensor.offset + from * bytes, byteLength: (to - from) * bytes };
}

/** In elements. */
function stridesOf({ shape, strides }: TensorSlice): number[] {
  if (strides) return [...strides];
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
}
