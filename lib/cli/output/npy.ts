import type { FileHandle } from "node:fs/promises";
import { writeFully } from "../../common/files.js";
import { UsageError } from "../failures.js";
import { keyOf, type Outcome, subjectOf } from "../outcome.js";
import { FileWriter, foreign, openForUpdate, readRange } from "./file-writer.js";
import { RecordFile } from "./record-file.js";
import type { RecordFormat } from "./writer.js";

type Embedded = { embedding: Float32Array };

/** All headers are this long, so that the number of rows can be rewritten in place. */
const HEADER_BYTES = 128;
const MAGIC = Buffer.from("\x93NUMPY\x01\x00", "latin1");

/** The file beside `path` that names the input of each row. */
export function namesPath(path: string): string {
  return `${path}.jsonl`;
}

/**
 * Embeddings as a NumPy array, float32 [rows, dimension]. The file `<path>.jsonl` names the input of each row,
 * `{"row": 0, "input": "a.jpg"}`; an input that failed has an `error` and no row. A row counts once both files have it,
 * so a run can be interrupted at any point and continued.
 */
export class NpyFile extends FileWriter<Embedded> {
  readonly done: ReadonlySet<string>;
  readonly #file: FileHandle;
  readonly #names: RecordFile<{ row: number }>;
  readonly #path: string;
  readonly #dimension: number;
  #rows: number;

  private constructor(
    file: FileHandle,
    names: RecordFile<{ row: number }>,
    path: string,
    dimension: number,
    rows: number,
  ) {
    super();
    this.#file = file;
    this.#names = names;
    this.#path = path;
    this.#dimension = dimension;
    this.#rows = rows;
    this.done = names.done;
  }

  /** Opens or creates the two files, for rows of `dimension` numbers. */
  static async open(path: string, dimension: number): Promise<NpyFile> {
    const file = await openForUpdate(path);
    let names: RecordFile<{ row: number }> | undefined;
    try {
      const before = await readHeader(file, path);
      if (before && before.dimension !== dimension) {
        throw new UsageError(
          `${path} has rows of ${before.dimension} numbers, but this model makes ${dimension}: choose another --out.`,
        );
      }
      let rows = 0;
      names = await RecordFile.open(
        namesPath(path),
        namesFormat(() => rows++),
      );
      const whole = Math.min(
        before?.rows ?? 0,
        Math.floor(((await file.stat()).size - HEADER_BYTES) / (4 * dimension)),
      );
      if (rows > Math.max(0, whole)) {
        throw new UsageError(
          `${namesPath(path)} names ${rows} rows, more than ${path} has: delete both, or choose another --out.`,
        );
      }
      await writeFully(file, header(rows, dimension), 0);
      await file.truncate(HEADER_BYTES + rows * dimension * 4);
      return new NpyFile(file, names, path, dimension, rows);
    } catch (error) {
      await names?.close();
      await file.close();
      throw error;
    }
  }

  protected override async finish(): Promise<void> {
    await this.#names.close();
    await this.#file.close();
  }

  protected override async append(outcome: Outcome<Embedded>): Promise<void> {
    if ("error" in outcome) return this.#names.write(outcome);
    const { embedding, ...subject } = outcome;
    if (embedding.length !== this.#dimension) {
      throw new UsageError(`${this.#path} has rows of ${this.#dimension} numbers, not of ${embedding.length}.`);
    }
    // In this order the files fit together after each step: a row that is not counted, or not named, is cut off.
    const bytes = new Uint8Array(embedding.buffer, embedding.byteOffset, embedding.byteLength);
    await writeFully(this.#file, bytes, HEADER_BYTES + this.#rows * bytes.length);
    await writeFully(this.#file, header(this.#rows + 1, this.#dimension), 0);
    await this.#names.write({ row: this.#rows, ...subject } as Outcome<{ row: number }>);
    this.#rows += 1;
  }
}

function namesFormat(onRow: () => number): RecordFormat<{ row: number }> {
  return {
    name: "names",
    header: "",
    footer: "",
    encode: (outcome) => `${JSON.stringify(outcome)}\n`,
    decode: (record) => {
      try {
        const line = JSON.parse(record);
        const subject = subjectOf(line);
        if (!subject) return undefined;
        if ("error" in line) return { key: keyOf(subject), failed: true };
        return line.row === onRow() ? { key: keyOf(subject), failed: false } : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

/** The header of NumPy's format, version 1.0. */
function header(rows: number, dimension: number): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${dimension}), }`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(HEADER_BYTES - MAGIC.length - 2);
  return Buffer.concat([MAGIC, length, Buffer.from(`${text.padEnd(HEADER_BYTES - MAGIC.length - 3)}\n`, "latin1")]);
}

/** Rows and dimension of a file that an earlier run wrote; undefined for an empty one. */
async function readHeader(file: FileHandle, path: string): Promise<{ rows: number; dimension: number } | undefined> {
  const bytes = await readRange(file, 0, HEADER_BYTES);
  if (bytes.length === 0) return undefined;
  const shape = /'shape': \((\d+), (\d+)\), \}/.exec(bytes.toString("latin1"));
  const [rows, dimension] = [Number(shape?.[1]), Number(shape?.[2])];
  if (!shape || !bytes.equals(header(rows, dimension))) throw foreign(path, "NumPy");
  return { rows, dimension };
}
