import { setTimeout as delay } from "node:timers/promises";
import { ClipBlipError } from "../common/errors.js";
import { isFailure, type Outcome } from "./outcome.js";
import type { Picture } from "./request.js";
import { SinkFile } from "./sink-file.js";
import type { JobStore } from "./store.js";

/** Options of `Sink.open`. */
export interface SinkOptions {
  path: string;
  store: JobStore;
  /** Id of this worker. */
  worker: string;
  /** Milliseconds after which a silent writer loses its lease. */
  leaseTtl: number;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
  /** Called when the file can no longer be written, or another worker writes it. */
  onFailure: (error: Error) => void;
}

/** A line on its way to the file. */
interface Line {
  job: string;
  key: string;
  failed: boolean;
  text: string;
  written: () => void;
  lost: (error: unknown) => void;
}

/** Milliseconds between two checks whether the previous writer is gone. */
const POLL = 250;

/**
 * A file that gets each outcome exactly once. Redis decides which sink a picture's line belongs to, and keeps the line
 * until it is known to be on disk. If a worker is killed in between, it finds the missing lines there when it is
 * started again with the same file.
 */
export class Sink {
  readonly #file: SinkFile;
  readonly #options: SinkOptions;
  /** When the lease ends unless it is extended. */
  #leasedUntil: number;
  #keeper: NodeJS.Timeout;
  #waiting: Line[] = [];
  /** Why nothing is written any more: a line after an incomplete one would be unreadable too. */
  #failure: Error | undefined;
  #isWriting = false;
  #writing = Promise.resolve();

  private constructor(file: SinkFile, options: SinkOptions, leasedUntil: number) {
    this.#file = file;
    this.#options = options;
    this.#leasedUntil = leasedUntil;
    this.#keeper = setInterval(() => {
      this.#keepLease().catch(options.onFailure);
    }, options.leaseTtl / 3);
  }

  /**
   * Takes the lease on the file, which may mean waiting until that of a killed worker ends, and writes the lines that
   * the file lacks.
   * @throws ClipBlipError ERR_INVALID_ARGUMENT; `signal.reason`
   */
  static async open(options: SinkOptions): Promise<Sink> {
    const file = await SinkFile.open(options.path);
    const leasedUntil = await firstLease(file.id, options).catch(async (error) => {
      await file.close();
      throw error;
    });
    const sink = new Sink(file, options, leasedUntil);
    try {
      await sink.#resume();
      return sink;
    } catch (error) {
      await sink.close();
      throw error;
    }
  }

  /** Keeps the outcome of a picture. Resolves once its line is on disk, with whether it is the picture's first. */
  readonly keep = async (job: string, picture: Picture, outcome: Outcome): Promise<boolean> => {
    const text = await this.#options.store.commitToSink(job, picture, outcome, this.#file.id);
    if (text === undefined) return false;
    await this.#write({ job, key: picture.key, failed: isFailure(outcome), text });
    return true;
  };

  /** Closes the file. Nothing may be kept after that. */
  async close(): Promise<void> {
    clearInterval(this.#keeper);
    await this.#writing;
    await this.#file.close();
    await this.#options.store.release(this.#file.id, this.#options.worker);
  }

  async #resume(): Promise<void> {
    const { store, path, log } = this.#options;
    await this.#file.repair();
    const owed = await store.outbox(this.#file.id);
    const found = await this.#file.find(new Set(owed));
    if (owed.length > 0) log(`${path} lacks ${owed.length - found.size} results of an earlier run: writing them now`);
    for (const text of owed) {
      const { job, key, ...outcome } = JSON.parse(text);
      const failed = isFailure(outcome);
      if (found.has(text)) await store.deliver(job, key, this.#file.id, failed);
      else await this.#write({ job, key, failed, text });
    }
  }

  #write(line: Omit<Line, "written" | "lost">): Promise<void> {
    return new Promise<void>((written, lost) => {
      this.#waiting.push({ ...line, written, lost });
      if (!this.#isWriting) this.#writing = this.#writeAll();
    });
  }

  /** Lines that arrive while others are being written are written together. */
  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      try {
        if (this.#failure) throw this.#failure;
        if (performance.now() > this.#leasedUntil) await this.#keepLease();
        await this.#file.append(lines.map(({ text }) => text).join(""));
      } catch (error) {
        this.#failure ??= writeFailure(this.#options.path, error);
        this.#options.onFailure(this.#failure);
        for (const { lost } of lines) lost(this.#failure);
        continue;
      }
      await Promise.all(lines.map((line) => this.#deliver(line)));
    }
    // Set here and not when the promise settles: a line that arrived in between would wait forever.
    this.#isWriting = false;
  }

  async #deliver({ job, key, failed, written, lost }: Line): Promise<void> {
    await this.#options.store.deliver(job, key, this.#file.id, failed).then(written, lost);
  }

  async #keepLease(): Promise<void> {
    const { store, worker, leaseTtl, path } = this.#options;
    const asked = performance.now();
    if (!(await store.lease(this.#file.id, worker, leaseTtl))) throw takenOver(path);
    this.#leasedUntil = asked + leaseTtl;
  }
}

async function firstLease(sink: string, { store, worker, leaseTtl, path, log, signal }: SinkOptions): Promise<number> {
  const began = performance.now();
  for (let waited = false; ; waited = true) {
    signal?.throwIfAborted();
    const asked = performance.now();
    if (await store.lease(sink, worker, leaseTtl)) return asked + leaseTtl;
    // A killed worker would have lost its lease by now.
    if (asked - began > leaseTtl + 2 * POLL) throw takenOver(path);
    if (!waited) log(`${path} is being written by another worker: waiting until it ends`);
    await delay(POLL, undefined, { signal }).catch(() => {});
  }
}

function takenOver(path: string): ClipBlipError {
  return new ClipBlipError("ERR_INVALID_ARGUMENT", `Another worker is writing ${path}: give each worker its own file`);
}

function writeFailure(path: string, error: unknown): Error {
  if (error instanceof ClipBlipError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new ClipBlipError("ERR_INTERNAL", `${path} cannot be written (${code ?? message})`, { cause: error });
}
