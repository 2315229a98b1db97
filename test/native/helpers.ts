import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type {
  GenerationSettings,
  ModuleHandle,
  ModuleSpec,
  NativeErrorCode,
  NormalizePlan,
  ParameterSpec,
  PixelBatch,
  RunOptions,
  TensorSlice,
} from "../../lib/native/types.js";

export const CPU = { device: "cpu" };
export const RUN: RunOptions = { releaseCache: "after-call" };
export const IDENTITY: NormalizePlan = { scale: 1, mean: [0, 0, 0], std: [1, 1, 1] };

/** Greedy search with no further options. */
export const GREEDY: Omit<GenerationSettings, "endTokenId" | "padTokenId"> = {
  numBeams: 1,
  numReturnSequences: 1,
  lengthPenalty: 1,
  earlyStopping: false,
  repetitionPenalty: 1,
  noRepeatNgramSize: 0,
  badWords: [],
  doSample: false,
  temperature: 1,
  topK: 50,
  topP: 1,
};

/** A folder that goes with the tests of this file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "clip-blip-native-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Fails unless the promise rejects with the code, and with a text that users may see. */
export async function rejects(promise: Promise<unknown>, code: NativeErrorCode, text?: RegExp): Promise<void> {
  await assert.rejects(promise, (error: Error & { code?: string }) => isNativeError(error, code, text));
}

export function throws(call: () => unknown, code: NativeErrorCode): void {
  assert.throws(call, (error: Error & { code?: string }) => isNativeError(error, code));
}

function isNativeError(error: Error & { code?: string }, code: NativeErrorCode, text?: RegExp): boolean {
  assert.equal(error.code, code, error.message);
  assert.ok(error.message.length > 0);
  assert.doesNotMatch(error.message, /frame #\d|Exception raised from|\.cpp:\d/, "no C++ backtrace");
  if (text) assert.match(error.message, text);
  return true;
}

/** A checkpoint file of float32 tensors, one after another, after `shift` bytes. */
export class Checkpoint {
  readonly #parts: Buffer[] = [];
  #length = 0;

  constructor(
    readonly file: string,
    shift = 0,
  ) {
    this.raw(Buffer.alloc(shift));
  }

  raw(bytes: Uint8Array): number {
    const at = this.#length;
    this.#parts.push(Buffer.from(bytes));
    this.#length += bytes.byteLength;
    writeFileSync(this.file, Buffer.concat(this.#parts));
    return at;
  }

  tensor(values: number[], shape: number[]): TensorSlice {
    const offset = this.raw(new Uint8Array(Float32Array.from(values).buffer));
    return { file: this.file, offset, byteLength: values.length * 4, dtype: "F32", shape };
  }

  parameter(name: string, values: number[], shape: number[]): ParameterSpec {
    return { name, layers: [[this.tensor(values, shape)]], stacked: false };
  }
}

/** A module that gives its parameter `w` back, as float32 and flat, whatever it is asked. */
export function readerSpec(parameter: ParameterSpec): ModuleSpec {
  return {
    source: `
def encode_text(self, input_ids: Tensor) -> Tensor:
    return self.w.float().reshape(1, -1)
`,
    ints: {},
    floats: {},
    bools: {},
    parameters: [{ ...parameter, name: "w" }],
  };
}

/** A CLIP of one matrix: `encode_image` multiplies the mean of each channel, `encode_text` picks rows and adds them up. */
export function tinyClipSpec(checkpoint: Checkpoint): ModuleSpec {
  return {
    source: `
def encode_image(self, pixel_values: Tensor) -> Tensor:
    return torch.matmul(pixel_values.mean([2, 3]), self.image) * self.factor

def encode_text(self, input_ids: Tensor) -> Tensor:
    out = torch.embedding(self.text, input_ids).sum(1)
    if self.negate:
        out = -out
    for i in range(self.layers):
        out = out + self.bias[i]
    return out
`,
    ints: { layers: 2 },
    floats: { factor: 0.5 },
    bools: { negate: false },
    parameters: [
      checkpoint.parameter("image", [1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1], [3, 4]),
      checkpoint.parameter("text", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [3, 4]),
      {
        name: "bias",
        layers: [[checkpoint.tensor([10, 10, 10, 10], [4])], [checkpoint.tensor([1, 1, 1, 1], [4])]],
        stacked: true,
      },
    ],
  };
}

/** `count` pictures of one colour each. */
export function plainPictures(colors: [number, number, number][], height = 4, width = 6): PixelBatch {
  const pixels = colors.map((color) => {
    const picture = new Uint8Array(height * width * 3);
    for (let i = 0; i < picture.length; i++) picture[i] = color[i % 3]!;
    return picture;
  });
  return { pixels, height, width, normalize: IDENTITY };
}

export type { ModuleHandle };
