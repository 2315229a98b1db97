import type { FileHandle } from "node:fs/promises";
import { withFile } from "../../common/files.js";
import type { TensorSlice } from "../../native/types.js";
import { readExactly } from "../files.js";
import { invalidModel, quote } from "../invalid.js";
import { readPickle } from "./pickle.js";
import { PickleDict, PickleModule, PickleTensor, type PickleValue } from "./pickle-values.js";
import { DTYPE_BYTES, elementCount } from "./tensors.js";
import { readZipRecords, type ZipRecord } from "./zip.js";

/** Limit for the pickle, which only describes the tensors: 60 KB for BLIP large. */
const MAX_PICKLE_BYTES = 64_000_000;

/** Limit for modules in a TorchScript archive; CLIP L/14 has 450. */
const MAX_MODULES = 10_000;

/** Limit for the attributes of all modules together; CLIP has four or five for each module. */
const MAX_ATTRIBUTES = 100_000;

/** Limit for the length of a tensor's name, module names included. */
const MAX_NAME_LENGTH = 1000;

/** First bytes of a zip file; files from before PyTorch 1.6 start with PICKLE_PROTOCOL_2 instead. */
const ZIP_MAGIC = 0x04034b50;
const PICKLE_PROTOCOL_2 = 0x0280;

/**
 * Reads where each tensor of a PyTorch weights file is, by name. The file is a state dict written by `torch.save`, such
 * as `pytorch_model.bin`, or a TorchScript archive, whose tensors are named as in its state dict and whose code is not
 * read. The tensors themselves are not read. The file is not trusted: see `readPickle` and `readZipRecords`.
 * @throws ClipBlipError ERR_MODEL_INVALID
 */
export function readTorchBin(path: string): Promise<Map<string, TensorSlice>> {
  return withFile(path, (file) => readTensors(file, path));
}

async function readTensors(file: FileHandle, path: string): Promise<Map<string, TensorSlice>> {
  await assertZip(file, path);
  const archive = new Archive(await readZipRecords(path), path);
  await assertLittleEndian(file, archive);
  const pickle = archive.require("data.pkl");
  if (pickle.byteLength > MAX_PICKLE_BYTES) {
    throw invalidModel(
      `${path}: data.pkl has ${pickle.byteLength} bytes, more than any model needs (limit: ${MAX_PICKLE_BYTES})`,
    );
  }
  const state = readPickle(await readExactly(file, pickle.offset, pickle.byteLength, path));
  const tensors = new Map<string, TensorSlice>();
  for (const [name, value] of namedTensors(state, path)) tensors.set(name, archive.slice(name, value));
  if (tensors.size === 0) {
    throw invalidModel(
      `${path} has no tensors at its top level: save model.state_dict() itself, not a dict that contains it`,
    );
  }
  return tensors;
}

/** The tensors of a state dict, or of a module and its submodules. */
function namedTensors(state: PickleValue, path: string): Map<string, PickleTensor> {
  if (state instanceof PickleModule) return moduleTensors(state, path);
  if (!(state instanceof PickleDict))
    throw invalidModel(`${path} does not contain a state dict: save model.state_dict() with torch.save`);
  const named = new Map<string, PickleTensor>();
  for (const [name, value] of state.entries) {
    if (value instanceof PickleTensor) named.set(name, value);
  }
  return named;
}

function moduleTensors(root: PickleModule, path: string): Map<string, PickleTensor> {
  const named = new Map<string, PickleTensor>();
  const waiting: [prefix: string, module: PickleModule][] = [["", root]];
  let passed = 0;
  for (let entered = 0; waiting.length > 0; entered++) {
    // A pickle of a few bytes can contain a module that contains itself.
    if (entered > MAX_MODULES) throw invalidModel(`${path} has more than ${MAX_MODULES} modules`);
    const [prefix, { attributes }] = waiting.pop()!;
    for (const [name, value] of attributes) {
      // Thousands of modules can be the same object with thousands of attributes.
      if (++passed > MAX_ATTRIBUTES) throw invalidModel(`${path} has more than ${MAX_ATTRIBUTES} module attributes`);
      if (prefix.length + name.length > MAX_NAME_LENGTH) throw invalidModel(`${path} nests its modules too deeply`);
      if (value instanceof PickleTensor) named.set(`${prefix}${name}`, value);
      if (value instanceof PickleModule) waiting.push([`${prefix}${name}.`, value]);
    }
  }
  return named;
}

async function assertZip(file: FileHandle, path: string): Promise<void> {
  const { size } = await file.stat();
  if (size < 4) throw invalidModel(`${path} has ${size} bytes: too short for weights`);
  const magic = (await readExactly(file, 0, 4, path)).readUInt32LE();
  if (magic === ZIP_MAGIC) return;
  if ((magic & 0xffff) === PICKLE_PROTOCOL_2) {
    throw invalidModel(
      `${path} is in the format of PyTorch before 1.6. Convert it with Python: ` +
        `import torch; torch.save(torch.load("pytorch_model.bin", weights_only=True), "pytorch_model.bin")`,
    );
  }
  throw invalidModel(`${path} is not a PyTorch weights file: it is neither a zip archive nor a pickle`);
}

/** The file states its byte order since PyTorch 2.1; older ones always have the machine's, assumed little-endian. */
async function assertLittleEndian(file: FileHandle, archive: Archive): Promise<void> {
  const record = archive.find("byteorder");
  if (record === undefined) return;
  const order = (await readExactly(file, record.offset, Math.min(record.byteLength, 16), archive.path)).toString(
    "latin1",
  );
  if (order !== "little") {
    throw invalidModel(`${archive.path} has byte order ${quote(order)}: save it again on a little-endian machine`);
  }
}

/** The records of a file. They are all in one folder, whose name is arbitrary. */
class Archive {
  readonly #records: Map<string, ZipRecord>;
  readonly #folder: string;
  readonly path: string;

  constructor(records: Map<string, ZipRecord>, path: string) {
    this.#records = records;
    this.path = path;
    const pickles = [...records.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
    if (pickles.length !== 1) throw invalidModel(`${path} is a zip archive without PyTorch weights`);
    this.#folder = pickles[0]!.slice(0, -"data.pkl".length);
  }

  find(name: string): ZipRecord | undefined {
    const record = this.#records.get(this.#folder + name);
    if (record?.stored !== false) return record;
    throw invalidModel(
      `Record ${quote(this.#folder + name)} in ${this.path} is compressed or encrypted: save the weights again with torch.save`,
    );
  }

  require(name: string): ZipRecord {
    const record = this.find(name);
    if (record === undefined)
      throw invalidModel(`${this.path} lacks the record ${quote(name)}: download or save it again`);
    return record;
  }

  /**
   * Where a tensor is: only the part of its storage that it uses, so that a view of a large storage costs no more than
   * its own size.
   */
  slice(name: string, { storage, offset, shape, strides }: PickleTensor): TensorSlice {
    const where = `Tensor ${quote(name)} in ${this.path}`;
    const size = DTYPE_BYTES[storage.dtype];
    const record = this.require(`data/${storage.key}`);
    if (record.byteLength !== storage.elements * size) {
      throw invalidModel(
        `${where}: its storage has ${record.byteLength} bytes, expected ${storage.elements} elements of ${storage.dtype}`,
      );
    }
    const extent = elementsSpanned(shape, strides);
    if (extent === undefined || offset + extent > storage.elements) {
      throw invalidModel(
        `${where}: shape [${shape.join(", ")}] with strides [${strides.join(", ")}] from element ${offset} exceeds the ${storage.elements} elements of its storage`,
      );
    }
    return {
      file: this.path,
      offset: record.offset + offset * size,
      byteLength: extent * size,
      dtype: storage.dtype,
      shape,
      ...(isContiguous(shape, strides) ? {} : { strides }),
    };
  }
}

/**
 * Number of elements from the first to the last of a strided tensor; undefined if shape and strides are inconsistent.
 */
function elementsSpanned(shape: number[], strides: number[]): number | undefined {
  if (strides.length !== shape.length || elementCount(shape) === undefined) return undefined;
  if (shape.includes(0)) return 0;
  const last = shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 0);
  return Number.isSafeInteger(last) ? last + 1 : undefined;
}

/** Whether the strides are contiguous. The stride of an axis with at most one element does not matter. */
function isContiguous(shape: number[], strides: number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis]! > 1 && strides[axis] !== expected) return false;
    expected *= Math.max(1, shape[axis]!);
  }
  return true;
}
