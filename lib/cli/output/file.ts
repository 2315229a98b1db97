import { type FileHandle, open } from "node:fs/promises";
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

/** Writes all of `bytes` at `position`: a single write may do less. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** The bytes from `start` to `end`, fewer where the file ends before. */
export async function readRange(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const bytes = Buffer.alloc(end - start);
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, start + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}
