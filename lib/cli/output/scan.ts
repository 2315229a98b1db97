import type { FileHandle } from "node:fs/promises";
import { readFully } from "../../common/files.js";
import { foreign } from "./file-writer.js";
import type { DecodedRecord, RecordFormat } from "./writer.js";

/** What a file of an earlier run holds. Offsets are in bytes. */
export interface ScannedFile {
  /** Records to keep. */
  records: DecodedRecord[];
  /** Parts of the file to keep, in order: the header and the records to keep. Empty for a new file. */
  kept: { start: number; end: number }[];
}

const NEWLINE = 0x0a;
const CHUNK_BYTES = 1 << 18;

/**
 * Reads what an earlier run wrote, up to a last record that was cut short. A file that is not of this format is refused
 * and never truncated: the user has named the wrong one.
 */
export async function scanFile(
  file: FileHandle,
  path: string,
  format: Pick<RecordFormat<object>, "name" | "header" | "footer" | "decode" | "isWhole">,
): Promise<ScannedFile> {
  const { size } = await file.stat();
  const header = Buffer.from(format.header);
  const head = Buffer.alloc(Math.min(size, header.length));
  await readFully(file, head, 0);
  if (!head.equals(header.subarray(0, head.length))) throw foreign(path, format.name);
  if (size < header.length || size === 0) return { records: [], kept: [] };

  if (header.length === 0 && !(await startsWithObject(file))) throw foreign(path, format.name);

  const result: ScannedFile = { records: [], kept: [{ start: 0, end: header.length }] };
  for await (const { text, start, end } of recordsOf(file, header.length, format.isWhole)) {
    const record = text.endsWith("\n") ? format.decode(text) : undefined;
    if (record === undefined) {
      // The results end here: at the footer, or in a record that was cut short while it overwrote the footer.
      const rest = size - end;
      const torn = format.footer || !text.endsWith("\n") ? rest <= Buffer.byteLength(format.footer) : false;
      if (!torn) throw foreign(path, format.name);
      break;
    }
    if (record.failed) continue;
    result.records.push(record);
    const last = result.kept.at(-1)!;
    if (last.end === start) last.end = end;
    else result.kept.push({ start, end });
  }
  return result;
}

/** Checked first, so that a large file of another kind is not searched for its first line break. */
async function startsWithObject(file: FileHandle): Promise<boolean> {
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 0);
  return buffer.toString() === "{";
}

/** The records of a file with their offsets; the last one may lack its line break. */
async function* recordsOf(
  file: FileHandle,
  offset: number,
  isWhole: (lines: string) => boolean = () => true,
): AsyncGenerator<{ text: string; start: number; end: number }> {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let pending: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  let searched = 0;
  for (let start = offset; ; ) {
    const newline = pending.indexOf(NEWLINE, searched);
    if (newline >= 0) {
      searched = newline + 1;
      const text = pending.toString("utf8", 0, searched);
      if (!isWhole(text)) continue;
      yield { text, start, end: start + searched };
      start += searched;
      pending = pending.subarray(searched);
      searched = 0;
      continue;
    }
    searched = pending.length;
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, start + pending.length);
    if (bytesRead === 0) {
      if (pending.length) yield { text: pending.toString("utf8"), start, end: start + pending.length };
      return;
    }
    pending = Buffer.concat([pending, chunk.subarray(0, bytesRead)]);
  }
}
