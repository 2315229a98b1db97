import type { TensorDtype } from "../../native/types.js";
import { invalidModel, quote } from "../invalid.js";
import {
  PickleDict,
  PickleFunction,
  PickleList,
  PickleModuleClass,
  PickleStorage,
  PickleStorageClass,
  PickleTensor,
  PickleTuple,
  type PickleValue,
} from "./pickle-values.js";
import { MAX_DIMENSIONS } from "./tensors.js";

/** What a name in a pickle can refer to. */
type Global = PickleFunction | PickleStorageClass | PickleModuleClass;

/**
 * The only names that a pickle may use, besides the classes of a TorchScript archive's own modules. Any other name is
 * rejected without being looked up anywhere.
 */
const GLOBALS = new Map<string, Global>();

const STORAGE_CLASSES: Record<string, TensorDtype> = {
  DoubleStorage: "F64",
  FloatStorage: "F32",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
};

for (const [name, dtype] of Object.entries(STORAGE_CLASSES)) {
  GLOBALS.set(`torch.${name}`, new PickleStorageClass(`torch.${name}`, dtype));
}
for (const [name, call] of [
  ["collections.OrderedDict", orderedDict],
  ["torch._utils._rebuild_tensor_v2", rebuildTensor],
  ["torch._utils._rebuild_parameter", rebuildParameter],
  ["torch.jit._pickle.build_intlist", opaqueList],
  ["torch.jit._pickle.build_doublelist", opaqueList],
  ["torch.jit._pickle.build_boollist", opaqueList],
  ["torch.jit._pickle.build_tensorlist", opaqueList],
  ["torch.jit._pickle.restore_type_tag", opaqueList],
] as const) {
  GLOBALS.set(name, new PickleFunction(name, call));
}

/** @throws ClipBlipError ERR_MODEL_INVALID for any other name */
export function findGlobal(module: string, name: string): Global {
  const found = GLOBALS.get(`${module}.${name}`);
  if (found !== undefined) return found;
  if (module === "__torch__" || module.startsWith("__torch__.")) return new PickleModuleClass();
  throw invalidModel(
    `The pickle asks for ${quote(`${module}.${name}`)}, which model weights do not need: the file is rejected`,
  );
}

/**
 * Resolves a persistent id: `("storage", class, key, device, elements)`. The device that it was saved on is ignored.
 */
export function findStorage(id: PickleValue): PickleStorage {
  const [tag, storageClass, key, , elements] = id instanceof PickleTuple ? id.items : [];
  if (
    tag !== "storage" ||
    !(storageClass instanceof PickleStorageClass) ||
    typeof key !== "string" ||
    !isNatural(elements)
  ) {
    throw invalidModel("The pickle refers to something other than a tensor's storage");
  }
  return new PickleStorage(key, storageClass.dtype, elements);
}

function orderedDict(args: readonly PickleValue[]): PickleDict {
  if (args.length !== 0) throw invalidModel("The pickle creates an OrderedDict in a way that no state dict does");
  return new PickleDict();
}

/** `_rebuild_tensor_v2(storage, offset, size, strides, requires_grad, backward_hooks)` */
function rebuildTensor([storage, offset, size, strides]: readonly PickleValue[]): PickleTensor {
  if (!(storage instanceof PickleStorage) || !isNatural(offset) || !isNaturals(size) || !isNaturals(strides)) {
    throw invalidModel("The pickle describes a tensor in a way that no state dict does");
  }
  return new PickleTensor(storage, offset, [...size.items], [...strides.items]);
}

/** `_rebuild_parameter(tensor, requires_grad, backward_hooks)` */
function rebuildParameter([tensor]: readonly PickleValue[]): PickleTensor {
  if (!(tensor instanceof PickleTensor))
    throw invalidModel("The pickle creates a parameter from something other than a tensor");
  return tensor;
}

/** Stands for typed lists and dicts among a module's attributes. */
function opaqueList(): PickleList {
  return new PickleList();
}

function isNatural(value: PickleValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isNaturals(value: PickleValue | undefined): value is PickleTuple & { items: readonly number[] } {
  // Limited because each tensor copies it, and a pickle can create thousands of tensors from one tuple.
  return value instanceof PickleTuple && value.items.length <= MAX_DIMENSIONS && value.items.every(isNatural);
}
