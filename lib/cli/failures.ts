import { inspect } from "node:util";
import { type Command, CommanderError } from "commander";
import { ClipBlipError, messageOf } from "../common/errors.js";
import { brief, quote, shorten } from "../common/quote.js";
import type { Failure, Subject } from "./outcome.js";

/** Wrong usage of the command line: exit code 2. */
export class UsageError extends Error {}

/** The exit code of a command that ended with `error`: 2 for wrong usage, else 1. */
export function exitCodeOf(error: unknown): number {
  // Commander treats the help that it shows for a missing command as an error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError) return 2;
  return error instanceof ClipBlipError && error.code === "ERR_INVALID_ARGUMENT" ? 2 : 1;
}

/** What to print for an error of `command`: one sentence, and with NODE_DEBUG=clip-blip its stack and cause. */
export function failureText(error: unknown, env: NodeJS.ProcessEnv, command?: Command): string {
  // Commander has already printed it.
  if (error instanceof CommanderError) return "";
  const message = isFull(error) ? outputProblem(error) : shorten(inFlags(withShortPath(error), command));
  const debug = env.NODE_DEBUG?.split(",").some((name) => name.trim().toLowerCase() === "clip-blip");
  return `clip-blip: ${message}\n${debug ? `${inspect(error)}\n` : ""}`;
}

/** Whether an error says that a disk or a user's share of it is full. */
function isFull(error: unknown): error is NodeJS.ErrnoException {
  return ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException | undefined)?.code ?? "");
}

/** The sentence for results that cannot be written. */
export function outputProblem(error: NodeJS.ErrnoException): string {
  const remedy = isFull(error) ? "free space, or write to another place" : "check where it goes to";
  return `The results cannot be written (${error.code ?? error.message}): ${remedy}, and run the command again.`;
}

/** The message of an error; a system error of Node's has the whole path in it. */
function withShortPath(error: unknown): string {
  const path = (error as NodeJS.ErrnoException | undefined)?.path;
  return path ? messageOf(error).replaceAll(path, () => brief(path)) : messageOf(error);
}

/** Names options by their flags: `options.maxLength` becomes `--max-length`. */
function inFlags(message: string, command?: Command): string {
  return message.replaceAll(/\boptions\.(\w+)/g, (name, attribute) => {
    const option = command?.options.find((one) => one.attributeName() === attribute && !one.negate);
    return option?.long ?? name;
  });
}

/** Maximum number of failures that are listed. */
const MAX_LISTED = 100;

/** Collects the failed inputs for the report at the end of a run. */
export class FailureList {
  readonly #lines: string[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(failure: Subject & Failure): void {
    this.#count += 1;
    if (this.#lines.length >= MAX_LISTED) return;
    const name = "input" in failure ? failure.input : failure.text;
    const { message } = failure.error;
    // Most messages about a file begin with its name.
    const rest = message.startsWith(quote(name)) ? `The file${message.slice(quote(name).length)}` : message;
    this.#lines.push(`  ${brief(name)}: ${rest}\n`);
  }

  /** "clip-blip: 3 <what>:", and a line for each failure. */
  report(what: string): string {
    const more = this.#count - this.#lines.length;
    return `clip-blip: ${this.#count} ${what}:\n${this.#lines.join("")}${more ? `  and ${more} more\n` : ""}`;
  }
}
