import { type FileHandle, readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { readFully } from "../common/files.js";
import { invalidModel } from "./invalid.js";

/** No file of a checkpoint but the weights comes near this size (the largest tokenizers have 35 MB). */
const MAX_SMALL_BYTES = 100_000_000;

/** `length` bytes from `position` on; a file that ends before is ERR_MODEL_INVALID. */
export async function readExactly(file: FileHandle, position: number, length: number, path: string): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const done = await readFully(file, buffer, position);
  if (done === length) return buffer;
  throw invalidModel(`${path} ended at byte ${position + done} while ${length} bytes were expected`);
}

/** The text of a file, or undefined when there is none. */
export async function readTextIfPresent(path: string): Promise<string | undefined> {
  return (await readBytesIfPresent(path))?.toString("utf8");
}

/** The bytes of a small file, or undefined when there is none. */
export async function readBytesIfPresent(path: string): Promise<Buffer | undefined> {
  const size = await fileSize(path);
  if (size === undefined) return undefined;
  if (size > MAX_SMALL_BYTES) throw invalidModel(`${basename(path)} has ${size} bytes: too large for such a file`);
  return readFile(path);
}

/** Bytes of a regular file, or undefined when there is none at this path. */
export async function fileSize(path: string): Promise<number | undefined> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw invalidModel(`${path} cannot be read: ${error.message}`, error);
  });
  return found?.isFile() ? found.size : undefined;
}

/** Whether an error comes from a file system: a full disk, missing rights. */
export function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && ("path" in error || error.syscall === "write");
}
