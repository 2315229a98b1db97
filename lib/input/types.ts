import type { Readable } from "node:stream";
import type { Sharp } from "sharp";
import type { Columns } from "../native/types.js";

/**
 * Pixels that are decoded already: rows from the top, samples interleaved, 8 bits each. A canvas's `ImageData` is one.
 */
export interface RawPixels {
  /** Exactly `width * height * channels` bytes. */
  data: Uint8Array | Uint8ClampedArray | ArrayBuffer | SharedArrayBuffer;
  width: number;
  height: number;
  /** 1: grey; 3: RGB; 4: RGB and alpha, which is dropped. Default: what the length of `data` says. */
  channels?: 1 | 3 | 4 | undefined;
}

/** Raw pixels that were checked and copied. */
export interface KnownPixels extends RawPixels {
  data: Uint8Array;
  channels: 1 | 3 | 4;
}

/**
 * Everything that is taken as a picture: the path of a file; a `file:` or `data:` URL; an `http(s):` URL where
 * `allowRemote` is set; the bytes of an encoded picture in any kind of binary object; a stream of such bytes, which is
 * used up; a sharp instance, whose output is used; or raw pixels.
 *
 * Leave the memory of a call's pictures as it is until the call has settled: what does not fit into the first two batches
 * is read when its turn comes. Memory that is transferred or resized before that makes the call reject. Raw RGB of the
 * model's size is embedded and captioned without a copy where it lies in a `SharedArrayBuffer`: the fastest way for many
 * pictures.
 */
export type ImageInput =
  | string
  | URL
  | ArrayBufferView
  | ArrayBuffer
  | SharedArrayBuffer
  | Blob
  | Readable
  | ReadableStream<Uint8Array>
  | Sharp
  | RawPixels;

/** How a picture is read. */
export interface DecodeOptions {
  /** Fetch `http(s):` URLs; false by default. */
  allowRemote?: boolean | undefined;
  /** Pictures of more pixels are refused before they are decoded; 50 million by default. */
  maxPixels?: number | undefined;
  /** Rejects with `signal.reason`. */
  signal?: AbortSignal | undefined;
}

/** Interleaved 8-bit RGB, `width * height * 3` bytes, rows from the top. The memory belongs to this package. */
export interface DecodedImage {
  data: Uint8Array;
  width: number;
  height: number;
}

/** A picture of which `data` may have some columns of each row only, `columns.length * height * 3` bytes then. */
export interface DecodedPart extends DecodedImage {
  columns?: Columns;
}

/** The columns that are wanted of a picture of some size; undefined: all. */
export type WantedColumns = (width: number, height: number) => Columns | undefined;
