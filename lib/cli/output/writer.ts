import type { Outcome } from "../outcome.js";

/** Writes results one by one. The output is valid after each of them. */
export interface ResultWriter<V extends object> {
  /** Keys of the subjects that already have a result from an interrupted run. */
  readonly done: ReadonlySet<string>;
  write(outcome: Outcome<V>): Promise<void>;
  /** Ends the output, once pending writes are done. */
  close(): Promise<void>;
}

/** How results become records of a text file, and are read back. */
export interface RecordFormat<V extends object> {
  /** For messages, such as "CSV". */
  name: string;
  /** What the file starts with; a file that starts differently is not touched. */
  header: string;
  /** What the file ends with. */
  footer: string;
  /** One record; ends with a line break, and has others inside only if there is an `isWhole`. */
  encode(outcome: Outcome<V>): string | Promise<string>;
  /** Reads a record; undefined if it is not of this format. */
  decode(record: string): DecodedRecord | undefined;
  /** Whether the lines read so far are a whole record. Default: each line is one. */
  isWhole?(lines: string): boolean;
}

/** A record of an earlier run. */
export interface DecodedRecord {
  key: string;
  /** Whether it is an error: it is removed, and the subject tried again. */
  failed: boolean;
}
