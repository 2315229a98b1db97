import { inspect } from "node:util";
import { type Command, CommanderError } from "commander";
import { ClipBlipError } from "../common/errors.js";
import type { Failure, Subject } from "./outcome.js";

/** A command line that cannot be carried out: exit code 2. */
export class UsageError extends Error {}

/** The exit code of a command that ended with `error`: 2 for wrong usage, else 1. */
export function exitCodeOf(error: unknown): number {
  // Commander counts the help that it shows where a command is missing as an error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError) return 2;
  return error instanceof ClipBlipError && error.code === "ERR_INVALID_ARGUMENT" ? 2 : 1;
}

/** What to print for an error of `command`: one sentence, or everything with NODE_DEBUG=clip-blip. */
export function failureText(error: unknown, env: NodeJS.ProcessEnv, command?: Command): string {
  // Commander has printed its own already.
  if (error instanceof CommanderError) return "";
  const message = inFlags(error instanceof Error ? error.message : String(error), command);
  const debug = env.NODE_DEBUG?.split(",").some((name) => name.trim().toLowerCase() === "clip-blip");
  return `clip-blip: ${message}\n${debug ? `${inspect(error)}\n` : ""}`;
}

/** `message` with the flag of the command line in place of the library's option of that name. */
function inFlags(message: string, command?: Command): string {
  return message.replaceAll(/\boptions\.(\w+)/g, (name, attribute) => {
    const option = command?.options.find((one) => one.attributeName() === attribute && !one.negate);
    return option?.long ?? name;
  });
}

/** Maximum number of failures that are listed. */
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
