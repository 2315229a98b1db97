import type { Readable } from "node:stream";
import { types } from "node:util";
import type { Sharp } from "sharp";
import type { ImageInput, RawPixels } from "./types.js";

/** A view, or a whole buffer, as bytes without a copy; none where the memory has been transferred. */
export function asBytes(value: ArrayBufferView | ArrayBufferLike): Uint8Array {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  // A detached buffer has the length 0, and views on it can neither be asked for theirs nor be made.
  if (buffer.byteLength === 0) return new Uint8Array();
  return ArrayBuffer.isView(value)
    ? new Uint8Array(buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(buffer);
}

/** The same memory as a Buffer: sharp knows the typed arrays of its own realm only, and a Buffer is always of that one. */
export function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Any typed array, DataView, Buffer, ArrayBuffer or SharedArrayBuffer, of any realm. */
export function isBinary(value: unknown): value is ArrayBufferView | ArrayBufferLike {
  return ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value);
}

/** What holds 8-bit samples: of typed arrays, those of unsigned bytes. */
export function isBytes(value: unknown): value is ArrayBufferView | ArrayBufferLike {
  if (types.isDataView(value) || !ArrayBuffer.isView(value)) return isBinary(value);
  return (value as Uint8Array).BYTES_PER_ELEMENT === 1 && !types.isInt8Array(value);
}

/** Recognised by its methods: the caller may have another copy of sharp than this package. */
export function isSharp(value: object): value is Sharp {
  return hasMethods(value, "metadata", "toBuffer", "clone", "removeAlpha");
}

/** A Node stream that can be read. */
export function isReadable(value: object): value is Readable {
  return hasMethods(value, "pipe", "on") && Symbol.asyncIterator in value;
}

/** A web stream. */
export function isWebStream(value: object): value is ReadableStream<Uint8Array> {
  return hasMethods(value, "getReader", "cancel");
}

/** A Blob or a File. */
export function isBlob(value: object): value is Blob {
  return hasMethods(value, "arrayBuffer", "slice") && "size" in value && typeof value.size === "number";
}

/** An object with the fields of raw pixels, whatever their values. */
export function isRawPixels(value: object): value is RawPixels {
  return "data" in value && "width" in value && "height" in value;
}

/** Samples of a pixel: those that are given, or what the length of the data says; not a whole number for wrong data. */
export function channelsOf({ data, width, height, channels }: RawPixels): number {
  return channels ?? asBytes(data).byteLength / (width * height);
}

/** Raw pixels, and none of what may have their fields beside its own. */
export function isPixels(value: ImageInput): value is RawPixels {
  if (typeof value !== "object" || value instanceof URL || isBinary(value)) return false;
  return isRawPixels(value) && !isSharp(value) && !isReadable(value) && !isWebStream(value) && !isBlob(value);
}

function hasMethods(value: object, ...names: string[]): boolean {
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === "function");
}
