import assert from "node:assert/strict";
import { ClipBlipError, type ErrorCode } from "clip-blip";

/** Milliseconds of processor time that a refusal may take. Not of the clock: other processes may be at work, too. */
const REFUSAL = 100;

/** Milliseconds of processor time of the whole process during some work. */
export async function processorTime<T>(work: () => Promise<T>): Promise<{ value: T; time: number }> {
  const before = process.cpuUsage();
  const value = await work();
  const { user, system } = process.cpuUsage(before);
  return { value, time: (user + system) / 1000 };
}

/** What some work ends in: a value, or one of the coded errors, of one line and without native frames. */
export async function outcomeOf<T>(work: () => Promise<T>): Promise<{ value: T } | { error: ClipBlipError }> {
  try {
    return { value: await work() };
  } catch (error) {
    assert.ok(error instanceof ClipBlipError || (error as Error).name === "ClipBlipError", String(error));
    const coded = error as ClipBlipError;
    assert.match(coded.code, /^ERR_(?!INTERNAL)/, coded.message);
    assert.doesNotMatch(coded.message, /\n|frame #|Exception raised from/);
    return { error: coded };
  }
}

/** The work is refused, with one of the codes, without much ado. */
export async function refuses(work: () => Promise<unknown>, ...codes: ErrorCode[]): Promise<ClipBlipError> {
  const { value: outcome, time } = await processorTime(() => outcomeOf(work));
  assert.ok("error" in outcome, "it was accepted");
  assert.ok(codes.includes(outcome.error.code), `${outcome.error.code}: ${outcome.error.message}`);
  assert.ok(time < REFUSAL, `${time} ms`);
  return outcome.error;
}

/** Resident memory, garbage aside. */
export function residentBytes(): number {
  globalThis.gc!();
  return process.memoryUsage.rss();
}

/** A copy of which one bit, `random` says which, is the other way round. */
export function flipBit(bytes: Uint8Array, random: () => number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const bit = Math.floor(random() * copy.length * 8);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}
