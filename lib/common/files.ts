import { type FileHandle, open } from "node:fs/promises";

// A single read or write of a file may do less than it was asked for; these do all of it.

/**
 * Opens a file for reading, and closes it when `use` is done. In place of `await using`: the file handles of Yarn's PnP,
 * and those that a vm context of Node 20 sees, are not disposable.
 */
export async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** Fills `buffer` from a position on. Returns the number of bytes read, which is smaller where the file ends first. */
export async function readFully(file: FileHandle, buffer: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** Writes all of `bytes` at a position. */
export async function writeFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
