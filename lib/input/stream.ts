import type { Readable } from "node:stream";
import { ClipBlipError, messageOf } from "../common/errors.js";
import { asBytes, isBinary } from "./kinds.js";
import { checkBytes } from "./limits.js";

/** Name, limit and abort signal of a stream. */
export interface CollectOptions {
  /** Of the source, in error messages. */
  name: string;
  /** Bytes. */
  limit: number;
  signal?: AbortSignal | undefined;
}

/**
 * All the bytes of a stream, which is used up; on failure it is destroyed or cancelled.
 *
 * @throws ERR_IMAGE_TOO_LARGE past the limit, ERR_IMAGE_DECODE where the stream fails or gives something else than bytes,
 *   ERR_INVALID_ARGUMENT where it has been read already, `signal.reason` where the signal aborts
 */
export async function collectStream(
  stream: Readable | ReadableStream<Uint8Array>,
  { name, limit, signal }: CollectOptions,
): Promise<Uint8Array> {
  assertFresh(stream, name);
  const chunks: Uint8Array[] = [];
  let length = 0;
  const take = (chunk: unknown) => {
    if (!isBinary(chunk)) throw notBytes(name);
    const bytes = asBytes(chunk);
    length += bytes.byteLength;
    checkBytes(name, length, limit);
    chunks.push(bytes);
  };
  try {
    if ("getReader" in stream) await drainWeb(stream, take, signal);
    else await drainNode(stream, take, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof ClipBlipError ? error : broken(name, error);
  }
  return joined(chunks, length);
}

async function drainNode(stream: Readable, take: (chunk: unknown) => void, signal?: AbortSignal): Promise<void> {
  const stop = () => stream.destroy();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    // Leaving the loop by an exception destroys the stream.
    for await (const chunk of stream) take(chunk);
  } finally {
    signal?.removeEventListener("abort", stop);
  }
  signal?.throwIfAborted();
}

async function drainWeb(
  stream: ReadableStream<Uint8Array>,
  take: (chunk: unknown) => void,
  signal?: AbortSignal,
): Promise<void> {
  const reader = stream.getReader();
  const stop = (reason: unknown) => void reader.cancel(reason).catch(() => {});
  const onAbort = () => stop(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) take(part.value);
  } catch (error) {
    stop(error);
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
  signal?.throwIfAborted();
}

function joined(chunks: Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

function assertFresh(stream: Readable | ReadableStream, name: string): void {
  const used = "getReader" in stream ? stream.locked : stream.destroyed || stream.readableEnded;
  if (!used) return;
  throw new ClipBlipError(
    "ERR_INVALID_ARGUMENT",
    `${name} was already read or closed. A stream can be read once: pass a new one.`,
  );
}

function notBytes(name: string): ClipBlipError {
  return new ClipBlipError(
    "ERR_IMAGE_DECODE",
    `${name} gives text or objects, not bytes: do not set an encoding on it.`,
  );
}

function broken(name: string, cause: unknown): ClipBlipError {
  const reason = messageOf(cause);
  return new ClipBlipError("ERR_IMAGE_DECODE", `${name} broke off before its end: ${reason}`, { cause });
}
