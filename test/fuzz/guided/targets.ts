import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readPickle } from "../../../lib/checkpoint/weights/pickle.js";
import { readSafetensors } from "../../../lib/checkpoint/weights/safetensors.js";
import { readSharded } from "../../../lib/checkpoint/weights/sharded.js";
import { DTYPE_BYTES } from "../../../lib/checkpoint/weights/tensors.js";
import { readTorchBin } from "../../../lib/checkpoint/weights/torch-bin.js";
import { ClipBlipError } from "../../../lib/common/errors.js";
import { hasPremultipliedAlpha } from "../../../lib/input/avif.js";
import { decodeBmp } from "../../../lib/input/bmp.js";
import { pngExif, withRightChecksums } from "../../../lib/input/png.js";
import { tiffKind } from "../../../lib/input/tiff.js";
import { readTiffTags } from "../../../lib/input/tiff-tags.js";
import type { TensorSlice } from "../../../lib/native/types.js";
import { zip } from "../../unit/support/zip.js";
import type { Target } from "./fuzzer.js";
import type { Dictionary } from "./mutate.js";
import { hang, readWithBug, swell } from "./seeded-bug.js";

export type TargetName = keyof ReturnType<typeof makeTargets>;

/** Bytes of data that are made up for a header. */
const MAX_DATA = 1 << 16;

/** The targets, which write what they read into a folder. */
export function makeTargets(folder: string) {
  const path = join(folder, "weights");
  const fromFile = (bytes: Buffer, read: (path: string) => Promise<Map<string, TensorSlice>>) => {
    writeFileSync(path, bytes);
    return isRefused(async () => assertInFiles(await read(path)));
  };
  return {
    "safetensors-file": { ...HEADER, read: (bytes) => fromFile(bytes, readSafetensors) },
    // A change that moves the data, or its end, would be refused before anything else is looked at.
    "safetensors-header": { ...HEADER, read: (bytes) => fromFile(withData(bytes), readSafetensors) },
    pickle: { ...PICKLE, read: (bytes) => isRefused(() => void readPickle(bytes)) },
    "torch-file": { ...ZIP, read: (bytes) => fromFile(bytes, readTorchBin) },
    // Of a pickle alone nobody asks whether its tensors are within their storages.
    "torch-pickle": { ...PICKLE, read: (bytes) => fromFile(inZip(bytes), readTorchBin) },
    "shard-index": {
      ...HEADER,
      tokens: [...HEADER.tokens, ...words('"weight_map"', '"a"', '"b"', '"shard"', '"../shard"', "/", "..", "\\")],
      read: (bytes) => {
        writeFileSync(join(folder, "shard"), SHARD);
        return fromFile(bytes, (index) => readSharded(index, readSafetensors));
      },
    },
    picture: { ...PICTURE, read: readPicture },
    "seeded-bug": { ...NOTHING, read: readWithBug },
    "seeded-hang": { ...NOTHING, read: hang },
    "seeded-swelling": { ...NOTHING, read: swell },
  } satisfies Record<string, Target>;
}

/**
 * Whether a reader refuses what it reads. The sentence has to be fit for a terminal and a log: one line, of a length that
 * the file cannot choose.
 */
async function isRefused(read: () => unknown): Promise<boolean> {
  try {
    await read();
    return false;
  } catch (error) {
    if (!(error instanceof ClipBlipError) || error.code !== "ERR_MODEL_INVALID") throw error;
    assert.doesNotMatch(error.message, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    assert.ok(error.message.length < 4000, `a message of ${error.message.length} characters`);
    return true;
  }
}

/** Whether a BMP is refused; the readers of other formats' headers refuse nothing, and get the same bytes. */
async function readPicture(bytes: Buffer): Promise<boolean> {
  readTiffTags(bytes);
  tiffKind(bytes);
  pngExif(bytes);
  withRightChecksums(bytes);
  hasPremultipliedAlpha(bytes);
  try {
    const { data, width, height } = await decodeBmp(bytes, "picture", 1_000_000);
    assert.equal(data.length, width * height * 3);
    return false;
  } catch (error) {
    if (error instanceof ClipBlipError && ["ERR_IMAGE_DECODE", "ERR_IMAGE_TOO_LARGE"].includes(error.code)) return true;
    throw error;
  }
}

/** Every element of every tensor lies in its file. */
function assertInFiles(tensors: Map<string, TensorSlice>): void {
  for (const [name, { file, offset, byteLength, dtype, shape, strides, storageOffset = 0 }] of tensors) {
    const { size } = statSync(file);
    const elements = shape.reduce((product, length) => product * length, 1);
    const last = strides
      ? shape.reduce((sum, length, axis) => sum + (length - 1) * strides[axis]!, storageOffset)
      : elements - 1;
    const wanted = elements === 0 ? 0 : (last + 1) * DTYPE_BYTES[dtype];
    assert.ok(
      shape.every((length) => Number.isSafeInteger(length) && length >= 0),
      name,
    );
    assert.ok(offset >= 0 && wanted <= byteLength && offset + byteLength <= size, `${name} is not in its file`);
  }
}

const prefixed = (header: Buffer, data: Buffer) => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, data]);
};

/** A file with this header, and with data up to the last byte that it speaks of. */
function withData(header: Buffer): Buffer {
  const ends = [...header.toString("latin1").matchAll(/"data_offsets"\s*:\s*\[\s*\d+\s*,\s*(\d{1,9})\s*\]/g)];
  const end = Math.max(0, ...ends.map((match) => Number(match[1])));
  return prefixed(header, Buffer.alloc(Math.min(end, MAX_DATA)));
}

const SHARD = prefixed(
  Buffer.from(
    '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[],"data_offsets":[8,9]}}',
  ),
  Buffer.alloc(9),
);

function inZip(pickle: Buffer): Buffer {
  const records = [0, 1].map((key) => ({ name: `x/data/${key}`, data: Buffer.alloc(4 << (2 * key)) }));
  return zip([{ name: "x/data.pkl", data: pickle }, ...records]);
}

function words(...texts: string[]): Buffer[] {
  return texts.map((text) => Buffer.from(text, "latin1"));
}

function pairs(...texts: [string, string][]): [Buffer, Buffer][] {
  return texts.map(([open, close]) => [Buffer.from(open, "latin1"), Buffer.from(close, "latin1")]);
}

const NOTHING: Dictionary = { tokens: words("x"), pairs: [] };

const HEADER: Dictionary = {
  tokens: [
    ...words('"__metadata__":', '"dtype":', '"shape":', '"data_offsets":', '"__proto__":', '"constructor":'),
    ...words(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"',
      "null",
      "true",
      "-0",
      "1e999",
      "\\u0000",
      "\\n",
      "\\ud800",
      "\x9b",
      "\n",
    ),
    ...words('"t":{"dtype":"U8","shape":[],"data_offsets":[0,1]},'),
    ...["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "F8"].map((dtype) =>
      Buffer.from(`"${dtype}"`),
    ),
  ],
  pairs: pairs(["[", "]"], ['{"":', "}"], ['"', '"'], ['{"dtype":', "}"]),
};

const PICTURE: Dictionary = {
  tokens: [
    ...words(
      "BM",
      "\x28\0\0\0",
      "\x0c\0\0\0",
      "\x7c\0\0\0",
      "\x01\0",
      "\x04\0",
      "\x08\0",
      "\x10\0",
      "\x18\0",
      "\x20\0",
    ),
    ...words("\0\0", "\0\x01", "\0\x02\x01\x01", "\0\x05abcde\0", "\xff\xff\xff\x7f", "\xff\xff\xff\xff"),
    ...words(
      "\x89PNG\r\n\x1a\n",
      "\0\0\0\x04eXIf",
      "\0\0\0\x04IDAT",
      "II*\0\x08\0\0\0",
      "MM\0*\0\0\0\x08",
      "II+\0\x08\0\0\0",
    ),
    ...words("\x12\x01\x03\0\x01\0\0\0", "\x06\x01\x03\0\x01\0\0\0\x06\0\0\0", "\x12\x02\x03\0\x02\0\0\0"),
    ...words(
      "\0\0\0\x18ftypavif",
      "\0\0\0\x20meta\0\0\0\0",
      "\0\0\0\x14iref\0\0\0\0",
      "\0\0\0\x08prem",
      "\0\0\0\x01meta",
    ),
  ],
  pairs: [],
};

const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;

const PICKLE: Dictionary = {
  tokens: [
    // The instructions that are known, and some that are not.
    ...words(..."(N\x88\x89KMJ\x8aGX)t\x85\x86\x87]ae}suqrhjcQR\x81b.0120iocVUBC\x8c\x93\x95"),
    ...words("\x80\x02", "\x80\x04", "K\x00", "K\x01", "h\x00", "h\x01", "h\x02", "q\x00", "q\x01", "q\x02"),
    ...words("ctorch._utils\n_rebuild_tensor_v2\n", "ctorch._utils\n_rebuild_parameter\n"),
    ...words(
      "ccollections\nOrderedDict\n)R",
      "c__torch__\nM\n)\x81",
      "ctorch\nFloatStorage\n",
      "ctorch\nLongStorage\n",
    ),
    ...words("ctorch.jit._pickle\nbuild_intlist\n", "cos\nsystem\n"),
    ...words(text("storage"), text("0"), text("1"), text("cpu"), text("weight"), `(${text("storage")}`),
    ...words("K\x02K\x03\x86", "K\x03K\x01\x86", `${text("b")}h\x00s`, "\x89ccollections\nOrderedDict\n)RtR"),
  ],
  pairs: pairs(
    ["(", "t"],
    ["", "\x85"],
    ["}X\x01\0\0\0a", "s"],
    ["](", "e"],
    ["c__torch__\nM\n)\x81}X\x01\0\0\0a", "sb"],
  ),
};

const ZIP: Dictionary = {
  tokens: [
    // Signatures, the extra field of 64-bit sizes, and names of records.
    ...words(
      "PK\x01\x02",
      "PK\x03\x04",
      "PK\x05\x06",
      "PK\x06\x06",
      "PK\x06\x07",
      "PK\x07\x08",
      "\x01\x00\x18\x00",
      "up",
    ),
    ...words(
      "\xff\xff",
      "\xff\xff\xff\xff",
      "/data.pkl",
      "/data/0",
      "byteorder",
      "little",
      "../",
      "\\",
      "/",
      "\n",
      "\x9b",
    ),
    ...PICKLE.tokens,
  ],
  pairs: PICKLE.pairs,
};
