import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { ClipBlipError } from "../common/errors.js";
import { readFully } from "../common/files.js";
import { checkBytes, MAX_ENCODED_BYTES } from "./limits.js";
import { isPictureBase64 } from "./picture-text.js";

/**
 * The bytes of a local file. They are read here and not by the decoder, so that a missing file can be told from a damaged
 * one, and no format is opened before it is checked.
 *
 * @param name of the file in error messages
 * @throws ERR_IMAGE_NOT_FOUND, ERR_IMAGE_DECODE, ERR_IMAGE_TOO_LARGE
 */
export async function readImageFile(path: string, name: string): Promise<Uint8Array> {
  try {
    // Asked before the file is opened, because opening a device may do something.
    const info = await stat(path);
    if (!info.isFile()) throw notAFile(name, info.isDirectory());
    checkBytes(name, info.size, MAX_ENCODED_BYTES);
    // Opening must not wait: a named pipe may have taken the file's place.
    const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const bytes = new Uint8Array(info.size);
      return bytes.subarray(0, await readFully(file, bytes, 0));
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof ClipBlipError ? error : unreadable(path, name, error);
  }
}

function notAFile(name: string, directory: boolean): ClipBlipError {
  const message = directory ? "is a folder; give the path of a picture in it." : "is not a regular file.";
  return new ClipBlipError("ERR_IMAGE_DECODE", `${name} ${message}`);
}

function unreadable(path: string, name: string, cause: unknown): ClipBlipError {
  const { code } = cause as NodeJS.ErrnoException;
  // Without the cause, whose message is the whole picture.
  if (isPictureBase64(path) || code === "ENAMETOOLONG") {
    const what = isPictureBase64(path) ? "is a picture in base64 and not a path" : "is too long for a path";
    return new ClipBlipError("ERR_INVALID_ARGUMENT", `${name} ${what}: for base64, use a Buffer or a data: URL.`);
  }
  const missing = code === "ENOENT" || code === "ENOTDIR";
  const message = missing
    ? `There is no file ${name}; check the path, which is relative to the working directory.`
    : `${name} cannot be read (${code ?? "unknown error"}); check its permissions.`;
  return new ClipBlipError(missing ? "ERR_IMAGE_NOT_FOUND" : "ERR_IMAGE_DECODE", message, { cause });
}
