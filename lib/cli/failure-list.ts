import type { Failure, Subject } from "./outcome.js";

/** Failures that are printed one by one; a folder of a hundred thousand may have as many. */
const SHOWN = 100;

/** The inputs that failed, for the end of a run. */
export class FailureList {
  readonly #lines: string[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(failure: Subject & Failure): void {
    this.#count += 1;
    if (this.#lines.length >= SHOWN) return;
    const name = "input" in failure ? failure.input : failure.text;
    this.#lines.push(`  ${name}: ${failure.error.message}\n`);
  }

  /** "clip-blip: 3 <what>", and which. */
  report(what: string): string {
    const more = this.#count - this.#lines.length;
    return `clip-blip: ${this.#count} ${what}:\n${this.#lines.join("")}${more ? `  and ${more} more\n` : ""}`;
  }
}
