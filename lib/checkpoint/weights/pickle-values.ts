import type { TensorDtype } from "../../native/types.js";

/**
 * What a pickle of weights is made of. The only functions are those of `pickle-globals.ts`, which rebuild tensors and
 * containers; a name from the file that is not among them is refused, and no class of JavaScript is built from it.
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

/** Lists are among the attributes of modules; what is in them is of no interest. */
export class PickleList {}

/** The class of a module in a TorchScript archive. Its code is never looked at. */
export class PickleModuleClass {}

/** A module in a TorchScript archive: parameters, buffers, other modules, by name. */
export class PickleModule {
  attributes: ReadonlyMap<string, PickleValue> = new Map();
}

/** The entries of a dict or an OrderedDict that have text for a key; attributes of an OrderedDict are dropped. */
export class PickleDict {
  readonly entries = new Map<string, PickleValue>();
}

/** A class such as torch.FloatStorage: it says what the elements are. */
export class PickleStorageClass {
  constructor(
    readonly name: string,
    readonly dtype: TensorDtype,
  ) {}
}

/** One of the few functions that a state dict calls, as this package carries it out. */
export class PickleFunction {
  constructor(
    readonly name: string,
    readonly call: (args: readonly PickleValue[]) => PickleValue,
  ) {}
}

/** Bytes in a record of the archive, which several tensors may share. */
export class PickleStorage {
  constructor(
    /** Name of the record below `data/`. */
    readonly key: string,
    readonly dtype: TensorDtype,
    readonly elements: number,
  ) {}
}

/** A view of a storage; offset and strides in elements. Not checked against the storage yet. */
export class PickleTensor {
  constructor(
    readonly storage: PickleStorage,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}
