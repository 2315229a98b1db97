import { type FileHandle, readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { isError } from "../common/errors.js";
import { readFully } from "../common/files.js";
import { invalidModel } from "./invalid.js";

/** Far above the size of any file other than weights (the largest tokenizers have 35 MB). */
const MAX_SMALL_BYTES = 100_000_000;

/**
 * Reads `length` bytes at `position`.
 * @throws ClipBlipError ERR_MODEL_INVALID if the file ends before
 */
export async function readExactly(file: FileHandle, position: number, length: number, path: string): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const done = await readFully(file, buffer, position);
  if (done === length) return buffer;
  throw invalidModel(
    `${path} ends at byte ${position + done}, but ${length} bytes were expected from byte ${position}: download it again`,
  );
}

/** The text of a file, or undefined if it does not exist. */
export async function readTextIfPresent(path: string): Promise<string | undefined> {
  return (await readBytesIfPresent(path))?.toString("utf8");
}

/** The bytes of a small file, or undefined if it does not exist. */
export async function readBytesIfPresent(path: string): Promise<Buffer | undefined> {
  const size = await fileSize(path);
  if (size === undefined) return undefined;
  if (size > MAX_SMALL_BYTES)
    throw invalidModel(
      `${basename(path)} has ${size} bytes, the limit is ${MAX_SMALL_BYTES}: it is not the file of a checkpoint`,
    );
  return readFile(path);
}

/** The size of a regular file in bytes, or undefined if there is none at this path. */
export async function fileSize(path: string): Promise<number | undefined> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw invalidModel(`Cannot read ${path}: ${error.message}`, error);
  });
  return found?.isFile() ? found.size : undefined;
}

/** Whether an error comes from the file system, such as a full disk or missing permissions. */
export function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return isError(error) && "syscall" in error && ("path" in error || error.syscall === "write");
}
