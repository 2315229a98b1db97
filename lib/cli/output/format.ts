import { extname } from "node:path";
import { UsageError } from "../usage-error.js";

/**
 * The format of the results: what --format says, else what the ending of --out says, else JSON Lines.
 * `formats` are those that the command has.
 */
export function chooseFormat<F extends string>(
  formats: readonly F[],
  { format, out }: { format?: string; out?: string },
): F | "jsonl" {
  const ending = out === undefined ? "" : extname(out).slice(1).toLowerCase();
  const chosen = formats.find((name) => name === (format ?? ending)) ?? "jsonl";
  if (chosen === "npy" && out === undefined) {
    throw new UsageError("--format npy needs --out: a NumPy array cannot be written to standard output.");
  }
  return chosen;
}
