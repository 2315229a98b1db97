import type { Sharp } from "sharp";
import { quote } from "../common/quote.js";
import { orAbort } from "./abort.js";
import { assertImageInput } from "./assert.js";
import { readDataUrl } from "./data-url.js";
import { readImageFile } from "./file.js";
import { asBytes, channelsOf, isBinary, isBlob, isReadable, isSharp, isWebStream } from "./kinds.js";
import { checkBytes, MAX_ENCODED_BYTES } from "./limits.js";
import { describe, locate } from "./location.js";
import { fetchImage } from "./remote.js";
import { collectStream } from "./stream.js";
import type { DecodeOptions, ImageInput, KnownPixels } from "./types.js";

/** A picture on its way in: bytes to be had and decoded, a pipeline to be run, or pixels. `name` is for messages. */
export type ImageSource =
  | { kind: "encoded"; name: string; read: () => Promise<Uint8Array>; remote?: boolean }
  | { kind: "sharp"; name: string; pipeline: Sharp }
  | { kind: "raw"; name: string; pixels: KnownPixels };

/**
 * Resolves an input. Memory of the caller is copied before this returns, so that the
 * caller may change or transfer it afterwards: the decoder reads it on another thread.
 *
 * @throws ERR_INVALID_ARGUMENT for what is no picture and for a remote URL without `allowRemote`; ERR_IMAGE_TOO_LARGE
 */
export function openSource(input: ImageInput, options: DecodeOptions): ImageSource {
  assertImageInput(input, "image", options);
  const { signal } = options;
  if (typeof input === "string" || input instanceof URL) return openLocation(input, options);
  if (isBinary(input)) return openBytes(input);
  if (isSharp(input)) return { kind: "sharp", name: "sharp pipeline", pipeline: input };
  if (isReadable(input) || isWebStream(input)) {
    const limits = { name: "stream", limit: MAX_ENCODED_BYTES, signal };
    return encoded("stream", () => collectStream(input, limits));
  }
  if (isBlob(input)) return openBlob(input, signal);
  const { data, width, height } = input;
  const channels = channelsOf(input) as 1 | 3 | 4;
  return { kind: "raw", name: "raw pixels", pixels: { data: new Uint8Array(asBytes(data)), width, height, channels } };
}

function openLocation(input: string | URL, options: DecodeOptions): ImageSource {
  const location = locate(input, "image");
  const name = describe(location);
  if (location.kind === "file") return encoded(name, () => readImageFile(location.path, name));
  if (location.kind === "data") return encoded(name, async () => readDataUrl(location.url));
  const read = () => fetchImage(location.url, name, options.signal);
  return { kind: "encoded", name, read, remote: true };
}

/** A source whose bytes are on this machine: what is remote is fetched. */
export async function withRemoteRead(source: ImageSource): Promise<ImageSource> {
  if (source.kind !== "encoded" || !source.remote) return source;
  const bytes = await source.read();
  return encoded(source.name, async () => bytes);
}

function openBlob(blob: Blob, signal?: AbortSignal): ImageSource {
  const name = "name" in blob && typeof blob.name === "string" ? quote(blob.name) : "blob";
  checkBytes(name, blob.size, MAX_ENCODED_BYTES);
  return encoded(name, async () => new Uint8Array(await orAbort(blob.arrayBuffer(), signal)));
}

function openBytes(input: ArrayBufferView | ArrayBufferLike): ImageSource {
  const bytes = asBytes(input);
  checkBytes("buffer", bytes.length, MAX_ENCODED_BYTES);
  const copy = new Uint8Array(bytes);
  return encoded("buffer", async () => copy);
}

function encoded(name: string, read: () => Promise<Uint8Array>): ImageSource {
  return { kind: "encoded", name, read };
}
