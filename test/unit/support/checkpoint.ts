import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestContext } from "vitest";
import type { Checkpoint } from "../../../lib/checkpoint/checkpoint.js";
import type { BlipWriterDescription, ClipDescription } from "../../../lib/checkpoint/description.js";
import { openCheckpoint } from "../../../lib/checkpoint/directory.js";
import { ClipBlipError, type ErrorCode } from "../../../lib/common/errors.js";
import type { TensorSlice } from "../../../lib/native/types.js";

/** Path of something in test/fixtures/checkpoint. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../../fixtures/checkpoint/${name}`, import.meta.url));
}

/** A CLIP checkpoint that was read. */
export async function openClip(directory: string): Promise<Checkpoint & { description: ClipDescription }> {
  const checkpoint = await openCheckpoint(directory);
  const { description } = checkpoint;
  assert.ok(description.architecture !== "blip");
  return { ...checkpoint, description };
}

/** A checkpoint of a BLIP that writes, read. */
export async function openBlip(directory: string): Promise<Checkpoint & { description: BlipWriterDescription }> {
  const checkpoint = await openCheckpoint(directory);
  const { description } = checkpoint;
  assert.ok(description.architecture === "blip" && description.task !== "image-text-matching");
  return { ...checkpoint, description };
}

/** A directory that goes away with the test. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "clip-blip-test-"));
  t.onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A copy of a fixture that the test may change. */
export function copyOf(t: TestContext, name: string): string {
  const directory = join(temporaryDirectory(t), name);
  cpSync(fixture(name), directory, { recursive: true });
  return directory;
}

/** Writes bytes to a file of their own. */
export function fileOf(t: TestContext, bytes: Uint8Array | string, name = "model.safetensors"): string {
  const path = join(temporaryDirectory(t), name);
  writeFileSync(path, bytes);
  return path;
}

/** Renames the tensors of a safetensors file. */
export function renameTensors(path: string, rename: (name: string) => string): void {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
  const entries = Object.entries(header).map(([name, value]) => [name.startsWith("__") ? name : rename(name), value]);
  const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([size, text, bytes.subarray(8 + length)]));
}

/** Changes a JSON file. */
export function editJson(path: string, edit: (value: Record<string, unknown>) => void): void {
  const value = JSON.parse(readFileSync(path, "utf8"));
  edit(value);
  writeFileSync(path, JSON.stringify(value));
}

/** The promise rejects with a coded error whose message matches. */
export async function rejectsWith(code: ErrorCode, promise: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof ClipBlipError, `expected a ClipBlipError, got ${error}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}

export function rejectsInvalid(promise: Promise<unknown>, message: RegExp): Promise<void> {
  return rejectsWith("ERR_MODEL_INVALID", promise, message);
}

/** Numbers from 0 to 1, the same ones in every run. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Damages some bytes of a file in many ways; a reader may accept the result or refuse it, but in no other way. */
export async function survivesDamage(
  t: TestContext,
  original: Buffer,
  name: string,
  read: (path: string) => Promise<unknown>,
  { rounds, region }: { rounds: number; region: [number, number] },
): Promise<void> {
  const random = seededRandom(7);
  const path = fileOf(t, original, name);
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    let bytes = Buffer.from(original);
    for (let flips = 1 + Math.floor(random() * 3); flips > 0; flips--) {
      const at = region[0] + Math.floor(random() * (region[1] - region[0]));
      bytes[at] = random() < 0.5 ? Math.floor(random() * 256) : bytes[at]! ^ (1 << Math.floor(random() * 8));
    }
    if (random() < 0.1) bytes = bytes.subarray(0, Math.floor(random() * bytes.length));
    writeFileSync(path, bytes);
    await read(path).catch((error) => {
      assert.ok(error instanceof ClipBlipError, `round ${round}: ${error?.stack}`);
      assert.equal(error.code, "ERR_MODEL_INVALID");
      refused++;
    });
  }
  assert.ok(refused > rounds / 10, `only ${refused} of ${rounds} damaged files were refused`);
}

/** The values of a tensor in row-major order. */
export function valuesOf({
  file,
  offset,
  byteLength,
  dtype,
  shape,
  strides,
  storageOffset = 0,
}: TensorSlice): unknown[] {
  const bytes = readFileSync(file).subarray(offset, offset + byteLength);
  const at: Record<TensorSlice["dtype"], (i: number) => unknown> = {
    F64: (i) => bytes.readDoubleLE(8 * i),
    F32: (i) => bytes.readFloatLE(4 * i),
    F16: (i) => float16(bytes.readUInt16LE(2 * i)),
    BF16: (i) => Buffer.from([0, 0, bytes[2 * i]!, bytes[2 * i + 1]!]).readFloatLE(),
    I64: (i) => Number(bytes.readBigInt64LE(8 * i)),
    I32: (i) => bytes.readInt32LE(4 * i),
    I16: (i) => bytes.readInt16LE(2 * i),
    I8: (i) => bytes.readInt8(i),
    U8: (i) => bytes.readUInt8(i),
    BOOL: (i) => bytes.readUInt8(i) === 1,
  };
  let steps = strides;
  if (steps === undefined) steps = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  let places = [storageOffset];
  shape.forEach((size, axis) => {
    places = places.flatMap((place) => Array.from({ length: size }, (_, i) => place + i * steps[axis]!));
  });
  return places.map((place) => at[dtype](place));
}

function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
