import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { ClipBlipError } from "./errors.js";

const POLL_MS = 500;

/** Options of `withLock`. */
export interface LockOptions {
  signal?: AbortSignal | undefined;
  /** Called once when another holder has the lock. */
  onWait?: (() => void) | undefined;
}

/**
 * Runs `task` while holding a lock on the file `path`, which one caller at a time can have, in any process.
 *
 * The operating system locks the open file. So the lock ends with its process, however that ends, and no clock or
 * process id decides whether it is still held.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT if the file system has no locks; `signal.reason`; what `task` throws
 */
export async function withLock<T>(path: string, task: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  const file = await acquire(path, options);
  try {
    return await task();
  } finally {
    // Deleted while it is locked: whoever gets the lock of the deleted file sees that, and opens the new one.
    await rm(path, { force: true });
    await file.close();
  }
}

async function acquire(path: string, { signal, onWait }: LockOptions): Promise<FileHandle> {
  // Loaded here, as most programs never lock anything, and it has a binary.
  const { tryLock } = await import("fs-native-extensions");
  for (let waited = false; ; ) {
    signal?.throwIfAborted();
    const file = await open(path, "a");
    let locked = false;
    try {
      locked = tryLock(file.fd);
      if (locked && (await isStillAt(path, file))) return file;
    } catch (cause) {
      await file.close();
      throw noLocks(path, cause as NodeJS.ErrnoException);
    }
    await file.close();
    if (locked) continue;
    if (!waited) onWait?.();
    waited = true;
    await delay(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

async function isStillAt(path: string, file: FileHandle): Promise<boolean> {
  const [own, found] = [await file.stat(), await stat(path).catch(() => undefined)];
  return own.ino === found?.ino && own.dev === found.dev;
}

function noLocks(path: string, cause: NodeJS.ErrnoException): ClipBlipError {
  const message = `${path} cannot be locked (${cause.code ?? cause.message}): use a folder on a file system with locks`;
  return new ClipBlipError("ERR_INVALID_ARGUMENT", message, { cause });
}
