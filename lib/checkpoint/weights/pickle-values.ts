import type { TensorDtype } from "../../native/types.js";

/**
 * The values in a pickle of weights. The only functions are those of `pickle-globals.ts`, which rebuild tensors and
 * containers; any other name is rejected, and no JavaScript class is built from a name.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | string
  | PickleTuple
  | PickleList
  | PickleDict
  | PickleModuleClass
  | PickleModule
  | PickleStorageClass
  | PickleFunction
  | PickleStorage
  | PickleTensor;

export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** A list among a module's attributes; its contents are ignored. */
export class PickleList {}

/** The class of a module in a TorchScript archive. Its code is never read. */
export class PickleModuleClass {}

/** A module in a TorchScript archive: its parameters, buffers and submodules, by name. */
export class PickleModule {
  attributes: ReadonlyMap<string, PickleValue> = new Map();
}

/** The entries of a dict or OrderedDict with string keys; attributes of an OrderedDict are dropped. */
export class PickleDict {
  readonly entries = new Map<string, PickleValue>();
}

/** A class such as torch.FloatStorage, which determines the dtype. */
export class PickleStorageClass {
  constructor(
    readonly name: string,
    readonly dtype: TensorDtype,
  ) {}
}

/** One of the few functions that a state dict calls, implemented by this package. */
export class PickleFunction {
  constructor(
    readonly name: string,
    readonly call: (args: readonly PickleValue[]) => PickleValue,
  ) {}
}

/** The bytes of a record in the archive; several tensors may share them. */
export class PickleStorage {
  constructor(
    /** Name of the record in `data/`. */
    readonly key: string,
    readonly dtype: TensorDtype,
    readonly elements: number,
  ) {}
}

/** A view of a storage, not yet checked against it; offset and strides in elements. */
export class PickleTensor {
  constructor(
    readonly storage: PickleStorage,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}
