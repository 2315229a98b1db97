import { extname } from "node:path";
import { brief } from "../../common/quote.js";
import type { CliContext } from "../context.js";
import { UsageError } from "../failures.js";
import { RecordFile } from "./record-file.js";
import { RecordStream } from "./record-stream.js";
import { assertSameRun, type Run, readRun, runPath, writeRun } from "./run.js";
import type { RecordFormat, ResultWriter } from "./writer.js";

/** Formats that cannot be streamed: parts of the file are rewritten. */
const NEED_A_FILE = new Map([
  ["npy", "a NumPy array"],
  ["parquet", "a Parquet file"],
]);

/**
 * The format of the results: --format, else the extension of --out, else JSON Lines.
 * @param formats those of the command
 * @throws UsageError if the extension is of no format, as a file of results should not have a name that lies
 */
export function chooseFormat<F extends string>(
  formats: readonly F[],
  { format, out }: { format?: string; out?: string },
): F {
  const ending = out === undefined ? "" : extname(out).slice(1).toLowerCase();
  const chosen = formats.find((name) => name === (format ?? (ending || "jsonl")));
  if (chosen === undefined) {
    const remedy = `${formats.map((name) => `.${name}`).join(", ")}${formats.length > 1 ? ", or set --format" : ""}`;
    throw new UsageError(`--out ${brief(out!)} has an unknown extension: let the name end in ${remedy}.`);
  }
  const array = NEED_A_FILE.get(chosen);
  if (array && out === undefined) {
    throw new UsageError(`--format ${chosen} needs --out: ${array} cannot be written to standard output.`);
  }
  return chosen;
}

/** Opens an output in a text format: the file `out`, or standard output. */
export async function openRecords<V extends object>(
  context: CliContext,
  format: RecordFormat<V>,
  out: string | undefined,
  run: Run,
): Promise<ResultWriter<V>> {
  if (out === undefined) return new RecordStream(context.stdout, format);
  return openBeside(out, run, () => RecordFile.open(out, format));
}

/**
 * Opens a file whose format has no place for the run, which is recorded beside it. A file of an older version has no
 * such record, and is continued.
 *
 * @param others further files that belong to `out`
 * @throws UsageError if the file holds results of another run
 */
export async function openBeside<V extends object>(
  out: string,
  run: Run,
  open: () => Promise<ResultWriter<V>>,
  others: string[] = [],
): Promise<ResultWriter<V>> {
  const before = await readRun(out);
  if (before) assertSameRun(out, before, run, [out, ...others, runPath(out)]);
  const writer = await open();
  try {
    if (!before) await writeRun(out, run);
    return writer;
  } catch (error) {
    await writer.close();
    throw error;
  }
}
