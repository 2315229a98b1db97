import { extname } from "node:path";
import { UsageError } from "../failures.js";

/** Formats that are written at more than one place of a file. */
const NEED_A_FILE = new Map([
  ["npy", "a NumPy array"],
  ["parquet", "a Parquet file"],
]);

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
  const array = NEED_A_FILE.get(chosen);
  if (array && out === undefined) {
    throw new UsageError(`--format ${chosen} needs --out: ${array} cannot be written to standard output.`);
  }
  return chosen;
}
