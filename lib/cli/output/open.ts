import type { CliContext } from "../context.js";
import { RecordFile } from "./record-file.js";
import { RecordStream } from "./record-stream.js";
import { assertSameRun, type Run, readRun, runPath, writeRun } from "./run.js";
import type { RecordFormat, ResultWriter } from "./writer.js";

/** Opens an output of text: the file `out`, or standard output. */
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
 * Opens a file whose format has no place for what made it, which is written beside it. A file of an older version has
 * nothing beside it, and is continued.
 *
 * @param others further files that belong to `out`
 * @throws UsageError where the file holds results of another run
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
