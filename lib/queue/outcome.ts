import type { ClipBlipError } from "../common/errors.js";
import { shortNumbers } from "../common/numbers.js";
import { isDataUrl } from "../input/picture-text.js";
import type { Caption } from "../models/blip/caption.js";
import type { JobResult } from "../models/jobs.js";
import type { Picture } from "./request.js";

/** The outcome of one picture in a worker. */
export type Outcome =
  | { embedding: Float32Array }
  | { caption: Caption }
  | { error: Pick<ClipBlipError, "code" | "message"> };

/** An outcome in Redis: with its position in the request, and an embedding as base64, half the size of its digits. */
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

/** What Redis keeps of an outcome that goes to a sink: failures, which are short, and for the rest a marker. */
export function encodeSinkMarker(index: number, outcome: Outcome): string {
  if ("error" in outcome) return encodeOutcome(index, outcome);
  return JSON.stringify({ index, sink: true } satisfies Stored);
}

/** Undefined for a result that went to a sink. */
export function decodeOutcome(key: string, text: string): { index: number; result: JobResult } | undefined {
  const { index, ...outcome } = JSON.parse(text) as Stored;
  if ("sink" in outcome) return undefined;
  if ("embedding" in outcome) return { index, result: { key, embedding: numbers(outcome.embedding) } };
  return { index, result: { key, ...outcome } };
}

/** A line of a sink. A `data:` URL is left out: it is the picture itself. */
export function sinkLine(job: string, { key, uri }: Picture, outcome: Outcome): string {
  const line = { job, key, ...(isDataUrl(uri) ? {} : { uri }), ...shown(outcome, shortNumbers) };
  // JSON allows these two characters unescaped, but many readers take them for the end of a line.
  const text = JSON.stringify(line).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
  return `${text}\n`;
}

/** An outcome with its embedding encoded, and of an error only code and message. */
function shown<T>(outcome: Outcome, encode: (embedding: Float32Array) => T) {
  if ("embedding" in outcome) return { embedding: encode(outcome.embedding) };
  if ("error" in outcome) return { error: { code: outcome.error.code, message: outcome.error.message } };
  return outcome;
}

/** Little-endian float32, like the memory of every machine that LibTorch runs on. */
function base64({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}

function numbers(text: string): number[] {
  // Copied, because a Buffer may start at an address that is not aligned.
  const { buffer } = new Uint8Array(Buffer.from(text, "base64"));
  return shortNumbers(new Float32Array(buffer));
}
