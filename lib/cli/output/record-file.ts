import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { writeFully } from "../../common/files.js";
import type { Outcome } from "../outcome.js";
import { FileWriter, openForUpdate } from "./file-writer.js";
import { scanFile } from "./scan.js";
import type { RecordFormat } from "./writer.js";

/**
 * A text file of results that continues an earlier run. Its footer is written with each record and
 * overwritten by the next one, so that the file is valid whenever the process ends.
 */
export class RecordFile<V extends object> extends FileWriter<V> {
  readonly done: ReadonlySet<string>;
  readonly #file: FileHandle;
  readonly #format: RecordFormat<V>;
  /** Where the next record goes. */
  #end: number;

  private constructor(file: FileHandle, format: RecordFormat<V>, end: number, done: Set<string>) {
    super();
    this.#file = file;
    this.#format = format;
    this.#end = end;
    this.done = done;
  }

  /** Opens or creates a file. Results of an earlier run are kept, except errors, which are tried again. */
  static async open<V extends object>(path: string, format: RecordFormat<V>): Promise<RecordFile<V>> {
    let file = await openForUpdate(path);
    try {
      const { records, kept } = await scanFile(file, path, format);
      if (kept.length > 1) file = await rewrite(file, path, kept);
      const end = kept.reduce((sum, part) => sum + part.end - part.start, 0);
      await file.truncate(end);
      const writer = new RecordFile(file, format, end, new Set(records.map((record) => record.key)));
      await writer.#append(end === 0 ? format.header : "");
      return writer;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  protected override async append(outcome: Outcome<V>): Promise<void> {
    await this.#append(await this.#format.encode(outcome));
  }

  protected override async finish(): Promise<void> {
    await this.#file.close();
  }

  async #append(record: string): Promise<void> {
    const bytes = Buffer.from(record + this.#format.footer);
    await writeFully(this.#file, bytes, this.#end);
    this.#end += Buffer.byteLength(record);
  }
}

/** Replaces a file by parts of itself, in one step. */
async function rewrite(file: FileHandle, path: string, parts: { start: number; end: number }[]): Promise<FileHandle> {
  const temporary = `${path}.${process.pid}.tmp`;
  const copy = await open(temporary, "wx+");
  try {
    const buffer = Buffer.alloc(1 << 20);
    let position = 0;
    for (const { start, end } of parts) {
      for (let from = start; from < end; ) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - from), from);
        await writeFully(copy, buffer.subarray(0, bytesRead), position);
        from += bytesRead;
        position += bytesRead;
      }
    }
    await file.close();
    await rename(temporary, path);
    return copy;
  } catch (error) {
    await copy.close();
    await rm(temporary, { force: true });
    throw error;
  }
}
