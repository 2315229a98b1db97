import type { ModelDtype, TensorDtype, TensorSlice } from "../../native/types.js";

/** Size of one element in bytes. */
export const DTYPE_BYTES: Readonly<Record<TensorDtype, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** Dtypes that weights can have; the others are integers. */
export const FLOAT_DTYPES: Readonly<Partial<Record<TensorDtype, ModelDtype | "float64">>> = {
  F64: "float64",
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
};

/** Maximum number of dimensions; a PyTorch tensor cannot have that many. */
export const MAX_DIMENSIONS = 64;

export function isTensorDtype(text: string): text is TensorDtype {
  return Object.hasOwn(DTYPE_BYTES, text);
}

/** Number of elements of a tensor of this shape; undefined if it is too large to count exactly. */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  // With a zero, the tensor is empty, however large the other sizes are.
  if (shape.includes(0)) return 0;
  for (const size of shape) {
    count *= size;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

/** The same tensor with its dimensions reversed. */
export function transpose(tensor: TensorSlice): TensorSlice {
  return { ...tensor, shape: [...tensor.shape].reverse(), strides: stridesOf(tensor).reverse() };
}

/** Rows `from` (inclusive) to `to` (exclusive). */
export function sliceRows(tensor: TensorSlice, from: number, to: number): TensorSlice {
  const shape = [to - from, ...tensor.shape.slice(1)];
  const step = stridesOf(tensor)[0]!;
  if (tensor.strides) return { ...tensor, shape, storageOffset: (tensor.storageOffset ?? 0) + from * step };
  // Rows are contiguous in the file: only these are read.
  const bytes = step * DTYPE_BYTES[tensor.dtype];
  return { ...tensor, shape, offset: tensor.offset + from * bytes, byteLength: (to - from) * bytes };
}

/** In elements. */
function stridesOf({ shape, strides }: TensorSlice): number[] {
  if (strides) return [...strides];
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
}
