import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** The holder touches its lock this often, so that others see it live. */
const HEARTBEAT_MS = 5_000;
/** A lock that nobody touched for this long was left behind by a process that died. */
const STALE_MS = 60_000;
const POLL_MS = 500;

/** What `withLock` is told. */
export interface LockOptions {
  signal?: AbortSignal;
  /** Called once when another process holds the lock. */
  onWait?: () => void;
}

/**
 * Runs `task` while holding the lock directory `path`, which one process at a time can create. A lock whose holder died
 * is taken over.
 */
export async function withLock<T>(path: string, task: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  await acquire(path, options);
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await task();
  } finally {
    clearInterval(heartbeat);
    await rm(path, { recursive: true, force: true });
  }
}

async function acquire(path: string, { signal, onWait }: LockOptions): Promise<void> {
  for (let waited = false; ; waited = true) {
    signal?.throwIfAborted();
    if (await create(path)) return;
    if (await isStale(path)) {
      await discard(path);
      continue;
    }
    if (!waited) onWait?.();
    await delay(POLL_MS, undefined, { signal }).catch(() => signal?.throwIfAborted());
  }
}

async function create(path: string): Promise<boolean> {
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
  await writeFile(join(path, "owner"), `${hostname()} ${process.pid}`);
  return true;
}

async function isStale(path: string): Promise<boolean> {
  const owner = await readFile(join(path, "owner"), "utf8").catch(() => "");
  const [host, pid] = owner.split(" ");
  // Process ids mean something on their own host only; a cache folder may be shared over a network.
  if (host === hostname() && pid && !isAlive(Number(pid))) return true;
  const status = await stat(path).catch(() => undefined);
  return status !== undefined && Date.now() - status.mtimeMs > STALE_MS;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Moves the lock away before deleting it: of two processes that find it stale only one can. */
async function discard(path: string): Promise<void> {
  const aside = `${path}.${process.pid}.stale`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  await rm(aside, { recursive: true, force: true });
}
