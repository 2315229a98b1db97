import { closeSync, existsSync, openSync, readFileSync, readSync, writeSync } from "node:fs";

/** slots.def has the names in the order of their places; the C++ includes the same file. */
const SLOTS = [
  ...readFileSync(new URL("./libraries/slots.def", import.meta.url), "utf8").matchAll(/^(COUNTER|SWITCH)\((\w+)\)$/gm),
].map(([, kind, name]) => ({ kind: kind!, name: name! }));

const COUNTERS = SLOTS.filter(({ kind }) => kind === "COUNTER").map(({ name }) => name);
const BYTES = 8;

/** The control block of one program: a file that it has mapped, or will map. */
export class Control {
  readonly #file: number;

  /** With zeros where there is no such file yet. */
  constructor(readonly path: string) {
    const isNew = !existsSync(path);
    this.#file = openSync(path, isNew ? "w+" : "r+");
    if (isNew) writeSync(this.#file, Buffer.alloc(SLOTS.length * BYTES), 0, SLOTS.length * BYTES, 0);
  }

  read(name: string): number {
    const value = Buffer.alloc(BYTES);
    readSync(this.#file, value, 0, BYTES, placeOf(name));
    return Number(value.readBigInt64LE());
  }

  /** Sets a switch; the next call that it speaks of meets it. */
  set(name: string, value: number): void {
    const bytes = Buffer.alloc(BYTES);
    bytes.writeBigInt64LE(BigInt(value));
    writeSync(this.#file, bytes, 0, BYTES, placeOf(name));
  }

  /** All counters by their names. */
  counters(): Record<string, number> {
    return Object.fromEntries(COUNTERS.map((name) => [name, this.read(name)]));
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** A name that is in no slot is a mistake in a test. */
function placeOf(name: string): number {
  const place = SLOTS.findIndex((slot) => slot.name === name);
  if (place < 0) throw new Error(`slots.def has no ${name}`);
  return place * BYTES;
}

/** The control block of this process. */
export function ownControl(): Control {
  return new Control(process.env.CUDA_STANDIN_CONTROL!);
}
