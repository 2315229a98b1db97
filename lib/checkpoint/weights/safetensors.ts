import type { FileHandle } from "node:fs/promises";
import { withFile } from "../../common/files.js";
import type { TensorSlice } from "../../native/types.js";
import { readExactly } from "../files.js";
import { invalidModel, quote } from "../invalid.js";
import { JsonObject } from "../json.js";
import { DTYPE_BYTES, elementCount, isTensorDtype, MAX_DIMENSIONS } from "./tensors.js";

/** Maximum length of a header in the format, in bytes. */
const MAX_HEADER_BYTES = 100_000_000;

/** Size of the header's length at the start of the file, in bytes. */
const PREFIX_BYTES = 8;

/**
 * Reads the header of a safetensors file: where each tensor is, by name. The tensors themselves are not read.
 *
 * The file is not trusted: every length, offset and shape is checked against the file's size, and the tensors must
 * cover the data without overlaps or gaps, as the format requires.
 * @throws ClipBlipError ERR_MODEL_INVALID that names the tensor and what was expected
 */
export function readSafetensors(path: string): Promise<Map<string, TensorSlice>> {
  return withFile(path, (file) => readTensors(file, path));
}

async function readTensors(file: FileHandle, path: string): Promise<Map<string, TensorSlice>> {
  const { size } = await file.stat();
  const header = await readHeader(file, size, path);
  const dataStart = PREFIX_BYTES + header.byteLength;
  const json = JsonObject.parse(header.toString("utf8"), `Header of ${path}`);
  const tensors = new Map<string, TensorSlice>();
  for (const [name, entry] of json.entries()) {
    if (name === "__metadata__") continue;
    tensors.set(name, readEntry(name, entry, path, dataStart, size - dataStart));
  }
  assertCovered(tensors, path, dataStart, size);
  return tensors;
}

async function readHeader(file: FileHandle, size: number, path: string): Promise<Buffer> {
  if (size < PREFIX_BYTES) throw invalidModel(`${path} has ${size} bytes: too short for a safetensors file`);
  const length = (await readExactly(file, 0, PREFIX_BYTES, path)).readBigUInt64LE();
  if (length > MAX_HEADER_BYTES || PREFIX_BYTES + Number(length) > size) {
    throw invalidModel(
      `${path} claims a safetensors header of ${length} bytes but has only ${size} bytes: it is damaged, truncated or in another format`,
    );
  }
  return readExactly(file, PREFIX_BYTES, Number(length), path);
}

function readEntry(name: string, entry: unknown, path: string, dataStart: number, dataBytes: number): TensorSlice {
  const where = `Tensor ${quote(name)} in ${path}`;
  const json = new JsonObject(entry, where);
  const dtype = json.text("dtype");
  if (!isTensorDtype(dtype)) {
    throw invalidModel(`${where}: dtype ${quote(dtype)} is not one of ${Object.keys(DTYPE_BYTES).join(", ")}`);
  }
  const shape = naturals(json, "shape");
  // Limited because a shape takes memory, and space in messages.
  if (shape.length > MAX_DIMENSIONS) throw json.wrong("shape", `at most ${MAX_DIMENSIONS} dimensions`, shape);
  const offsets = naturals(json, "data_offsets");
  const [begin, end] = offsets;
  if (offsets.length !== 2 || begin === undefined || end === undefined || begin > end || end > dataBytes) {
    throw json.wrong("data_offsets", `a begin and an end within the ${dataBytes} bytes of data`, offsets);
  }
  const elements = elementCount(shape);
  if (elements === undefined || elements * DTYPE_BYTES[dtype] !== end - begin) {
    throw invalidModel(`${where}: its ${end - begin} bytes do not match ${dtype} of shape [${shape.join(", ")}]`);
  }
  return { file: path, offset: dataStart + begin, byteLength: end - begin, dtype, shape };
}

function naturals(json: JsonObject, key: string): number[] {
  const value = json.raw(key);
  if (!Array.isArray(value) || !value.every((item) => Number.isSafeInteger(item) && item >= 0)) {
    throw json.wrong(key, "a list of whole numbers", value);
  }
  return value;
}

/** Rejects overlaps and gaps, with which a file could mean different things to different readers. */
function assertCovered(tensors: Map<string, TensorSlice>, path: string, dataStart: number, size: number): void {
  const order = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength);
  let end = dataStart;
  for (const [name, { offset, byteLength }] of order) {
    if (offset !== end) {
      const problem = offset < end ? "overlaps the tensor before it" : "leaves a gap after the tensor before it";
      throw invalidModel(`Tensor ${quote(name)} in ${path} begins at byte ${offset}, expected ${end}: it ${problem}`);
    }
    end = offset + byteLength;
  }
  if (end !== size) throw invalidModel(`${path} has ${size} bytes, but its tensors end at byte ${end}`);
}
