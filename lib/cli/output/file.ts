import { type FileHandle, open } from "node:fs/promises";
import { readFully } from "../../common/files.js";
import { UsageError } from "../failures.js";

/** Opens a file for reading and writing, and makes it where it is not there. */
export async function openForUpdate(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r+").catch((error) => {
      if (error.code !== "ENOENT") throw error;
      return open(path, "wx+");
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = { ENOENT: "its folder does not exist", EISDIR: "it is a folder", EACCES: "it is not writable" }[code!];
    throw new UsageError(`${path} cannot be written: ${why ?? (error as Error).message}.`);
  }
}

/** The bytes from `start` to `end`, fewer where the file ends before. */
export async function readRange(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const bytes = Buffer.alloc(end - start);
  return bytes.subarray(0, await readFully(file, bytes, start));
}
