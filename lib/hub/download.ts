import { createHash, type Hash, randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { isFileError } from "../checkpoint/files.js";
import { invalidModel } from "../checkpoint/invalid.js";
import { ClipBlipError } from "../common/errors.js";
import type { HubClient, HubFile } from "./client.js";

/** Progress of the download of one file. */
export interface DownloadProgress {
  phase: "download";
  file: string;
  /** Bytes that have arrived. */
  loaded: number;
  /** Bytes of the file. */
  total: number;
}

/** Bytes between two reports of progress. */
const REPORT_EVERY = 1 << 20;

/** Attempts in a row without any bytes after which a download is given up. */
const MAX_IDLE_ATTEMPTS = 3;

/** Milliseconds before the attempt after a broken connection; doubled for each that brought nothing. */
const PAUSE = 200;

/**
 * Downloads a file of a commit to `path`. The file appears there whole and with the right hash, or not at all. A broken
 * connection is resumed where it broke off.
 * @throws ClipBlipError ERR_MODEL_INVALID when the contents have another hash; ERR_MODEL_NOT_FOUND; errors of the network
 */
export async function downloadFile(
  client: HubClient,
  commit: string,
  file: HubFile,
  path: string,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (progress: DownloadProgress) => void },
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  // Its own name, because another process may be downloading the same file.
  const draft = `${path}.${randomUUID()}.incomplete`;
  try {
    await using handle = await open(draft, "wx");
    const transfer = new Transfer(handle, file, (loaded) =>
      onProgress?.({ phase: "download", file: file.path, loaded, total: file.size }),
    );
    await transfer.run(client, commit, signal);
    await handle.sync();
    await handle.close();
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** One file on its way: what has been written, and the hash of it. */
class Transfer {
  readonly #handle: FileHandle;
  readonly #file: HubFile;
  readonly #report: (loaded: number) => void;
  #loaded = 0;
  #reported = 0;
  #hash: Hash;

  constructor(handle: FileHandle, file: HubFile, report: (loaded: number) => void) {
    this.#handle = handle;
    this.#file = file;
    this.#report = report;
    this.#hash = newHash(file);
  }

  async run(client: HubClient, commit: string, signal: AbortSignal | undefined): Promise<void> {
    this.#report(0);
    let best = 0;
    for (let idle = 0; this.#loaded < this.#file.size; ) {
      const failure = await this.#attempt(client, commit);
      if (signal?.aborted) throw signal.reason;
      if (this.#loaded > best) idle = 0;
      else if (++idle >= MAX_IDLE_ATTEMPTS) throw failure ?? this.#damaged();
      best = Math.max(best, this.#loaded);
      if (failure !== undefined) await setTimeout(PAUSE * 2 ** idle, undefined, { signal });
    }
    if (this.#hash.digest("hex") !== this.#file.hash) throw this.#damaged();
  }

  /** Writes what one request brings; gives the error that broke it off, if any. What will not change is thrown. */
  async #attempt(client: HubClient, commit: string): Promise<unknown> {
    try {
      const response = await client.open(commit, this.#file.path, this.#loaded);
      // Some mirrors cannot begin in the middle and send everything again.
      if (response.status !== 206) this.#restart();
      for await (const chunk of response.body ?? []) await this.#write(chunk);
      return undefined;
    } catch (error) {
      if (error instanceof ClipBlipError || isFileError(error)) throw error;
      return error;
    }
  }

  #restart(): void {
    this.#loaded = 0;
    this.#reported = 0;
    this.#hash = newHash(this.#file);
  }

  async #write(chunk: Uint8Array): Promise<void> {
    if (this.#loaded + chunk.length > this.#file.size) throw this.#damaged();
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await this.#handle.write(chunk, done, chunk.length - done, this.#loaded + done);
      done += bytesWritten;
    }
    this.#hash.update(chunk);
    this.#loaded += chunk.length;
    if (this.#loaded - this.#reported >= REPORT_EVERY || this.#loaded === this.#file.size) {
      this.#reported = this.#loaded;
      this.#report(this.#loaded);
    }
  }

  #damaged(): Error {
    const { path, size } = this.#file;
    return invalidModel(`${path} arrived damaged: its ${size} bytes do not have the hash that the hub gave. Try again`);
  }
}

/** Large files are named by their SHA-256, small ones as Git names them. */
function newHash({ hashKind, size }: HubFile): Hash {
  return hashKind === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}
