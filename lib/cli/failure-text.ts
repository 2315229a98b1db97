import { inspect } from "node:util";
import { CommanderError } from "commander";
import { ClipBlipError } from "../errors.js";
import { UsageError } from "./usage-error.js";

/** The exit code of a command that ended with `error`: 2 for wrong usage, else 1. */
export function exitCodeOf(error: unknown): number {
  // Commander counts the help that it shows where a command is missing as an error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError) return 2;
  return error instanceof ClipBlipError && error.code === "ERR_INVALID_ARGUMENT" ? 2 : 1;
}

/** What to print of an error: a sentence, and its whole story under NODE_DEBUG=clip-blip. */
export function failureText(error: unknown, env: NodeJS.ProcessEnv): string {
  // Commander has printed its own already.
  if (error instanceof CommanderError) return "";
  const message = error instanceof Error ? error.message : String(error);
  const debug = env.NODE_DEBUG?.split(",").some((name) => name.trim().toLowerCase() === "clip-blip");
  return `clip-blip: ${message}\n${debug ? `${inspect(error)}\n` : ""}`;
}
