import type { Outcome } from "../outcome.js";

/** Takes results one after the other. What it writes is valid after each of them. */
export interface ResultWriter<V extends object> {
  /** Keys of the subjects that have a result already, from a run that was stopped. */
  readonly done: ReadonlySet<string>;
  write(outcome: Outcome<V>): Promise<void>;
  /** Ends the output; waits for the write that is under way. */
  close(): Promise<void>;
}

/** How results become records of a text file, and how a file is understood again. */
export interface RecordFormat<V extends object> {
  /** For messages, such as "CSV". */
  name: string;
  /** What the file starts with; a file that starts otherwise is not touched. */
  header: string;
  /** What the file ends with. */
  footer: string;
  /** One record; ends with a line break and has none inside, but where `isWhole` tells. */
  encode(outcome: Outcome<V>): string | Promise<string>;
  /** What a record is about; undefined where it is none of this format. */
  decode(record: string): DecodedRecord | undefined;
  /** Whether lines read so far are a whole record; left out where each line is one. */
  isWhole?(lines: string): boolean;
}

/** What a record of an earlier run says. */
export interface DecodedRecord {
  key: string;
  /** It tells of an error: it is taken out, and the subject tried again. */
  failed: boolean;
}
