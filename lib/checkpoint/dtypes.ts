import type { ModelDtype, TensorDtype } from "../native/types.js";

/** Bytes of one element. */
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

/** What weights can be stored in; the rest are integers. */
export const FLOAT_DTYPES: Readonly<Partial<Record<TensorDtype, ModelDtype | "float64">>> = {
  F64: "float64",
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
};

/** More dimensions than a tensor of PyTorch can have. */
export const MAX_DIMENSIONS = 64;

export function isTensorDtype(text: string): text is TensorDtype {
  return Object.hasOwn(DTYPE_BYTES, text);
}

/** Elements of a tensor of this shape; undefined when the number is too large to count exactly. */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  // A zero anywhere makes the tensor empty, however large the other sizes.
  if (shape.includes(0)) return 0;
  for (const size of shape) {
    count *= size;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}
