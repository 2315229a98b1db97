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
  /** Bytes received. */
  loaded: number;
  /** Bytes of the file; where a mirror does not say, the bytes received. */
  total: number;
}

/** Bytes between two progress reports. */
const REPORT_EVERY = 1 << 20;

/** Number of consecutive attempts without new data after which a download fails. */
const MAX_IDLE_ATTEMPTS = 3;

/** Milliseconds before a new attempt after a broken connection; doubled for each attempt without new data. */
const PAUSE = 200;

/**
 * Downloads a file to `path`. The file appears there complete and with the right hash, or not at all; a
 * broken connection is resumed.
 * @throws ClipBlipError ERR_MODEL_INVALID if the contents have another hash; ERR_MODEL_NOT_FOUND; network errors
 */
export async function downloadFile(
  client: HubClient,
  file: HubFile,
  path: string,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (progress: DownloadProgress) => void },
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  // A unique name, because another process may be downloading the same file.
  const draft = `${path}.${randomUUID()}.incomplete`;
  try {
    const handle = await open(draft, "wx");
    try {
      const transfer = new Transfer(handle, file, (loaded) =>
        onProgress?.({ phase: "download", file: file.path, loaded, total: transfer.size ?? loaded }),
      );
      await transfer.run(client, signal);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** The transfer of one file: the bytes written so far, and their hash. */
class Transfer {
  readonly #handle: FileHandle;
  readonly #file: HubFile;
  readonly #report: (loaded: number) => void;
  /** Bytes of the file, as far as they are known. */
  size: number | undefined;
  #loaded = 0;
  #reported = 0;
  #hash: Hash | undefined;

  constructor(handle: FileHandle, file: HubFile, report: (loaded: number) => void) {
    this.#handle = handle;
    this.#file = file;
    this.#report = report;
    this.size = file.size;
    this.#hash = newHash(file);
  }

  async run(client: HubClient, signal: AbortSignal | undefined): Promise<void> {
    this.#report(0);
    let best = 0;
    for (let idle = 0; this.size === undefined || this.#loaded < this.size; ) {
      const failure = await this.#attempt(client);
      if (signal?.aborted) throw signal.reason;
      if (this.#loaded > best) idle = 0;
      else if (++idle >= MAX_IDLE_ATTEMPTS) throw failure ?? this.#damaged();
      best = Math.max(best, this.#loaded);
      if (failure !== undefined) await setTimeout(PAUSE * 2 ** idle, undefined, { signal });
    }
    if (this.#hash && this.#hash.digest("hex") !== this.#file.hash) throw this.#damaged();
  }

  /**
   * Writes the data of one request. Returns the error that interrupted it, if any; throws errors that retrying will not
   * change.
   */
  async #attempt(client: HubClient): Promise<unknown> {
    try {
      const response = await client.open(this.#file, this.#loaded);
      // Some mirrors do not support ranges and send the whole file again.
      if (response.status !== 206) this.#restart();
      this.size ??= lengthOf(response);
      for await (const chunk of response.body ?? []) await this.#write(chunk);
      // Where nobody says how long the file is, it ends where the answer does.
      this.size ??= this.#loaded;
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
    if (this.size !== undefined && this.#loaded + chunk.length > this.size) throw this.#damaged();
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await this.#handle.write(chunk, done, chunk.length - done, this.#loaded + done);
      done += bytesWritten;
    }
    this.#hash?.update(chunk);
    this.#loaded += chunk.length;
    if (this.#loaded - this.#reported >= REPORT_EVERY || this.#loaded === this.size) {
      this.#reported = this.#loaded;
      this.#report(this.#loaded);
    }
  }

  #damaged(): Error {
    return invalidModel(
      `${this.#file.path} was damaged in the download: its ${this.size} bytes do not match the hash from the hub; try again`,
    );
  }
}

/** Large files are identified by their SHA-256, small ones by their Git hash; a mirror's ETag may be anything. */
function newHash({ hashKind, size }: HubFile): Hash | undefined {
  if (hashKind === undefined) return undefined;
  return hashKind === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}

/** Bytes of a whole file that is being sent; undefined if the answer does not say, or says the compressed size. */
function lengthOf({ status, headers }: Response): number | undefined {
  const length = headers.get("Content-Length");
  const known = status === 200 && length !== null && (headers.get("Content-Encoding") ?? "identity") === "identity";
  return known ? Number(length) : undefined;
}
