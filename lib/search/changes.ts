import { stat } from "node:fs/promises";
import { join } from "node:path";
import { findPictures } from "../input/find-pictures.js";
import type { FileState, IndexedFile, UnreadableFile } from "./schema.js";

/** Number of files whose state is read at a time; libuv does it on four threads. */
const AT_A_TIME = 64;

/** What has changed in a folder since it was indexed. */
export interface Changes {
  /** New and changed files. */
  changed: FileState[];
  /** Number of unchanged files. */
  unchanged: number;
  /** Unreadable files that have not changed. */
  unreadable: UnreadableFile[];
  /** Paths in the index whose files are gone. */
  gone: string[];
}

/** Compares a folder with what the index knows of it. Reads only names, sizes and times. */
export async function findChanges(
  folder: string,
  files: Map<string, IndexedFile>,
  unreadable: Map<string, UnreadableFile>,
): Promise<Changes> {
  const present = await statesOf(folder, await findPictures("**/*", folder));
  const changes: Changes = { changed: [], unchanged: 0, unreadable: [], gone: [] };
  const paths = new Set<string>();
  for (const file of present) {
    paths.add(file.path);
    const failed = unreadable.get(file.path);
    if (isSame(file, files.get(file.path))) changes.unchanged += 1;
    else if (failed && isSame(file, failed)) changes.unreadable.push(failed);
    else changes.changed.push(file);
  }
  for (const path of [...files.keys(), ...unreadable.keys()]) if (!paths.has(path)) changes.gone.push(path);
  return changes;
}

/** Size and time of each file; files that are gone are left out. */
export async function statesOf(folder: string, paths: string[]): Promise<FileState[]> {
  const states: FileState[] = [];
  for (let start = 0; start < paths.length; start += AT_A_TIME) {
    const some = paths.slice(start, start + AT_A_TIME);
    const found = await Promise.all(some.map((path) => stateOf(folder, path)));
    for (const state of found) if (state) states.push(state);
  }
  return states;
}

async function stateOf(folder: string, path: string): Promise<FileState | undefined> {
  try {
    const { size, mtimeMs } = await stat(join(folder, path));
    return { path, size, modified: mtimeMs };
  } catch {
    return undefined;
  }
}

function isSame(file: FileState, known: FileState | undefined): boolean {
  return known !== undefined && known.size === file.size && known.modified === file.modified;
}
