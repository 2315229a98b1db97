import { type FileHandle, open } from "node:fs/promises";
import { readFully } from "../../common/files.js";
import { brief } from "../../common/quote.js";
import { UsageError } from "../failures.js";
import type { Outcome } from "../outcome.js";
import type { ResultWriter } from "./writer.js";

/** Base class of writers to files: appends results one at a time, and none after `close`. */
export abstract class FileWriter<V extends object> implements ResultWriter<V> {
  abstract readonly done: ReadonlySet<string>;
  #pending: Promise<void> = Promise.resolve();
  #closed = false;

  write(outcome: Outcome<V>): Promise<void> {
    const written = this.#pending.then(() => (this.#closed ? undefined : this.append(outcome)));
    this.#pending = written.catch(() => {});
    return written;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pending;
    await this.finish();
  }

  protected abstract append(outcome: Outcome<V>): Promise<void>;

  /** Writes what is left and closes the files. Called once, after the last `append`. */
  protected abstract finish(): Promise<void>;
}

/** Opens a file for reading and writing; creates it if it does not exist. */
export async function openForUpdate(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r+").catch((error) => {
      if (error.code !== "ENOENT") throw error;
      return open(path, "wx+");
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = { ENOENT: "its folder does not exist", EISDIR: "it is a folder", EACCES: "it is not writable" }[code!];
    throw new UsageError(`${brief(path)} cannot be written: ${why ?? code}.`);
  }
}

/** The bytes from `start` to `end`; fewer if the file ends earlier. */
export async function readRange(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const bytes = Buffer.alloc(end - start);
  return bytes.subarray(0, await readFully(file, bytes, start));
}

/** The error for a file that was written by something else. */
export function foreign(path: string, format: string): UsageError {
  return new UsageError(`${brief(path)} exists and is not a ${format} file of this command: choose another --out.`);
}
