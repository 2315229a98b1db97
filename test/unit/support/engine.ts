import { ClipBlipError } from "../../../lib/common/errors.js";
import type { DeviceTurns } from "../../../lib/engine/device-queue.js";

/** Turns within one thread, and what they have seen. */
export interface LocalTurns extends DeviceTurns {
  /** Nobody holds the device. */
  free(): boolean;
}

/** Turns that one thread keeps by itself, without the addon. */
export function localTurns(): LocalTurns {
  let held = false;
  let lost: string | undefined;
  const waiting: (() => void)[] = [];
  return {
    tryAcquire() {
      if (held) return false;
      held = true;
      return true;
    },
    acquire: () => new Promise((resolve) => waiting.push(resolve)),
    release() {
      const next = waiting.shift();
      if (next) next();
      else held = false;
    },
    waiting: () => waiting.length,
    lostReason: () => lost,
    markLost(reason) {
      lost ??= reason;
    },
    free: () => !held,
  };
}

/** Mulberry32: a small seeded generator, so that a failing case can be repeated. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export const outOfMemory = () => new ClipBlipError("ERR_OUT_OF_MEMORY", "does not fit");

export const isOutOfMemory = (error: unknown) => error instanceof ClipBlipError && error.code === "ERR_OUT_OF_MEMORY";
