import type { ClipBlipError } from "../common/errors.js";
import { shortNumbers } from "../common/numbers.js";
import type { Caption } from "../models/blip/caption.js";
import type { JobResult } from "../models/jobs.js";
import { isData, type Picture } from "./request.js";

/** What became of one picture, as a worker has it. */
export type Outcome =
  | { embedding: Float32Array }
  | { caption: Caption }
  | { error: Pick<ClipBlipError, "code" | "message"> };

/** As it is kept in Redis: with its place in the request, and an embedding in half the bytes that its digits take. */
type Stored = { index: number } & (
  | { embedding: string }
  | { caption: Caption }
  | { error: { code: string; message: string } }
  | { sink: true }
);

export function isFailure(outcome: object): boolean {
  return "error" in outcome;
}

export function encodeOutcome(index: number, outcome: Outcome): string {
  const stored: Stored = { index, ...shown(outcome, base64) };
  return JSON.stringify(stored);
}

/** What is kept in Redis of an outcome that goes to a sink: failures too, which are short. */
export function encodeSinkMarker(index: number, outcome: Outcome): string {
  if ("error" in outcome) return encodeOutcome(index, outcome);
  return JSON.stringify({ index, sink: true } satisfies Stored);
}

/** Undefined for a result that is in a sink. */
export function decodeOutcome(key: string, text: string): { index: number; result: JobResult } | undefined {
  const { index, ...outcome } = JSON.parse(text) as Stored;
  if ("sink" in outcome) return undefined;
  if ("embedding" in outcome) return { index, result: { key, embedding: numbers(outcome.embedding) } };
  return { index, result: { key, ...outcome } };
}

/** A line of a sink. A `data:` URL is left out: it is the picture itself. */
export function sinkLine(job: string, { key, uri }: Picture, outcome: Outcome): string {
  const line = { job, key, ...(isData(uri) ? {} : { uri }), ...shown(outcome, shortNumbers) };
  // Two characters that JSON allows as they are, and many readers take for the end of a line.
  const text = JSON.stringify(line).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
  return `${text}\n`;
}

/** An outcome with its embedding as `encode` makes it, and no more of an error than its code and its sentence. */
function shown<T>(outcome: Outcome, encode: (embedding: Float32Array) => T) {
  if ("embedding" in outcome) return { embedding: encode(outcome.embedding) };
  if ("error" in outcome) return { error: { code: outcome.error.code, message: outcome.error.message } };
  return outcome;
}

/** Little-endian float32, as every machine that LibTorch runs on has them. */
function base64({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}

function numbers(text: string): number[] {
  // Copied, because the memory of a Buffer may begin anywhere.
  const { buffer } = new Uint8Array(Buffer.from(text, "base64"));
  return shortNumbers(new Float32Array(buffer));
}
