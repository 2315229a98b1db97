import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { ClipBlipError } from "../common/errors.js";
import { readFully } from "../common/files.js";

const BLOCK = 64 * 1024;
const NEWLINE = 0x0a;

/** The beginning of every line of a sink. */
const BEGINNING = '{"job":"';

/** An append-only JSON Lines file. */
export class SinkFile {
  /** Identifies the sink on every machine; it is stored in a file beside it. */
  readonly id: string;
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(path: string, id: string, file: FileHandle) {
    this.#path = path;
    this.id = id;
    this.#file = file;
  }

  /**
   * Opens or creates the file and `<path>.id` beside it.
   * @throws ClipBlipError ERR_INVALID_ARGUMENT if it cannot be written, or is another kind of file
   */
  static async open(path: string): Promise<SinkFile> {
    const file = await open(path, "a+").catch((error) => {
      throw unusable(path, `it cannot be written (${error.code})`, error);
    });
    try {
      const head = Buffer.alloc(BEGINNING.length);
      const bytesRead = await readFully(file, head, 0);
      if (bytesRead > 0 && !BEGINNING.startsWith(head.toString("latin1", 0, bytesRead))) {
        throw unusable(path, "it is not a worker's sink: choose another file");
      }
      return new SinkFile(path, await identity(`${path}.id`), file);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Removes an incomplete last line, left by a writer that was killed. Only the current writer may call it. */
  async repair(): Promise<void> {
    const { size } = await this.#file.stat();
    const block = Buffer.alloc(BLOCK);
    for (let end = size; end > 0; ) {
      const start = Math.max(0, end - BLOCK);
      const bytesRead = await readFully(this.#file, block.subarray(0, end - start), start);
      const newline = block.subarray(0, bytesRead).lastIndexOf(NEWLINE);
      if (newline >= 0) return this.#cut(start + newline + 1, size);
      end = start;
    }
    return this.#cut(0, size);
  }

  /** The lines among `lines` that are in the file. */
  async find(lines: ReadonlySet<string>): Promise<Set<string>> {
    const found = new Set<string>();
    if (lines.size === 0) return found;
    const input = createReadStream(this.#path);
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (lines.has(`${line}\n`)) found.add(`${line}\n`);
    }
    return found;
  }

  /** Appends lines. Resolves when they are on disk. */
  async append(text: string): Promise<void> {
    await this.#file.appendFile(text);
    await this.#file.datasync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #cut(length: number, size: number): Promise<void> {
    if (length < size) await this.#file.truncate(length);
  }
}

async function identity(path: string): Promise<string> {
  const id = randomUUID();
  try {
    await writeFile(path, `${id}\n`, { flag: "wx" });
    return id;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST")
      throw unusable(path, `it cannot be written (${(error as NodeJS.ErrnoException).code})`, error);
  }
  const known = (await readFile(path, "utf8")).trim();
  if (/^[0-9a-f-]{36}$/.test(known)) return known;
  throw unusable(path, "it does not contain the id of a sink: delete it if it is not needed for anything else");
}

function unusable(path: string, why: string, cause?: unknown): ClipBlipError {
  return new ClipBlipError("ERR_INVALID_ARGUMENT", `${path} cannot be a sink: ${why}`, { cause });
}
