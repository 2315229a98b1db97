import type { FileHandle } from "node:fs/promises";
import { fromRandomAccessReaderPromise, RandomAccessReader } from "yauzl";
import { ClipBlipError, messageOf } from "../../common/errors.js";
import { readFully, withFile } from "../../common/files.js";
import { invalidModel, quote } from "../invalid.js";

/** A record of a zip file. */
export interface ZipRecord {
  /** Offset of its data in the file. */
  offset: number;
  /** Size of its data as stored in the file. */
  byteLength: number;
  /** False if it is compressed or encrypted. */
  stored: boolean;
}

/**
 * Limit for records, each of which takes a few reads. A checkpoint has one for each tensor, about 600 for CLIP L/14.
 */
const MAX_RECORDS = 10_000;

/**
 * Finds the records of a zip file, by name. Their data is not read.
 * @throws ClipBlipError ERR_MODEL_INVALID for a damaged file, duplicate names, and records that reach beyond the file's
 * end
 */
export async function readZipRecords(path: string): Promise<Map<string, ZipRecord>> {
  try {
    return await withFile(path, (file) => readRecords(file, path));
  } catch (error) {
    if (error instanceof ClipBlipError) throw error;
    // The message may contain a name from the file.
    const reason = quote(messageOf(error));
    throw invalidModel(`${path} is damaged or truncated (${reason}): download it again`, error);
  }
}

async function readRecords(file: FileHandle, path: string): Promise<Map<string, ZipRecord>> {
  const records = new Map<string, ZipRecord>();
  const { size } = await file.stat();
  const zip = await fromRandomAccessReaderPromise(new CheckedReader(file), size, { autoClose: false });
  try {
    if (zip.entryCount > MAX_RECORDS) throw invalidModel(`${path} has ${zip.entryCount} records: too many for a model`);
    for await (const entry of zip.eachEntry()) {
      const { fileName, compressionMethod, compressedSize, uncompressedSize } = entry;
      const where = `Record ${quote(fileName)} in ${path}`;
      if (records.has(fileName)) throw invalidModel(`${where} occurs twice`);
      const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
      if (fileDataStart + compressedSize > zip.fileSize)
        throw invalidModel(`${where} reaches beyond the end of the file`);
      const stored = compressionMethod === 0 && !entry.isEncrypted() && compressedSize === uncompressedSize;
      records.set(fileName, { offset: fileDataStart, byteLength: compressedSize, stored });
    }
  } finally {
    zip.close();
  }
  return records;
}

/**
 * yauzl reads at any position that the file gives. Above 2^53 Node throws, and thrown from the callbacks of yauzl's own
 * reader that would end the process; or Node treats the position as unset.
 */
class CheckedReader extends RandomAccessReader {
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    super();
    this.#file = file;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    if (!Number.isSafeInteger(position)) {
      setImmediate(callback, new Error(`there is no byte ${position}`));
      return;
    }
    readFully(this.#file, buffer.subarray(offset, offset + length), position).then(
      (bytesRead) => callback(null, bytesRead),
      callback,
    );
  }
}
