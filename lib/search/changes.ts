import type { Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ClipBlipError } from "../common/errors.js";
import { type LostPlace, picturesBelow } from "../input/find-pictures.js";
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
  /** What could not be looked at; the index keeps what it has of it. */
  lost: LostPlace[];
  /** Paths in the index whose files are gone. */
  gone: string[];
}

/** Compares a folder with what the index knows of it. Reads only names, sizes and times. */
export async function findChanges(
  folder: string,
  files: Map<string, IndexedFile>,
  unreadable: Map<string, UnreadableFile>,
): Promise<Changes> {
  const found = await picturesBelow(folder);
  const { states, lost } = await statesOf(folder, found.paths);
  const changes: Changes = { changed: [], unchanged: 0, unreadable: [], lost: [...found.lost, ...lost], gone: [] };
  const paths = new Set<string>();
  for (const file of states) {
    paths.add(file.path);
    const failed = unreadable.get(file.path);
    if (isSame(file, files.get(file.path))) changes.unchanged += 1;
    else if (failed && isSame(file, failed)) changes.unreadable.push(failed);
    else changes.changed.push(file);
  }
  const isLost = placesOf(changes.lost);
  for (const path of [...files.keys(), ...unreadable.keys()]) {
    if (!paths.has(path) && !isLost(path)) changes.gone.push(path);
  }
  return changes;
}

/** Whether a path is a lost place, or below a lost folder. */
function placesOf(lost: LostPlace[]): (path: string) => boolean {
  const places = new Set(lost.map(({ path }) => path));
  const folders = lost.filter(({ folder }) => folder).map(({ path }) => (path === "." ? "" : `${path}/`));
  return (path) => places.has(path) || folders.some((folder) => path.startsWith(folder));
}

/** Size and time of each file; files that are gone are left out. */
export async function statesOf(folder: string, paths: string[]): Promise<{ states: FileState[]; lost: LostPlace[] }> {
  const found: { states: FileState[]; lost: LostPlace[] } = { states: [], lost: [] };
  for (let start = 0; start < paths.length; start += AT_A_TIME) {
    const some = paths.slice(start, start + AT_A_TIME);
    for (const state of await Promise.all(some.map((path) => stateOf(folder, path)))) {
      if (state === undefined) continue;
      if ("error" in state) found.lost.push(state);
      else found.states.push(state);
    }
  }
  return found;
}

async function stateOf(folder: string, path: string): Promise<FileState | LostPlace | undefined> {
  let state: Stats;
  try {
    state = await stat(join(folder, path));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    return lost(path, `The file cannot be read (${code}); check its permissions.`, cause);
  }
  if (!state.isFile()) return lost(path, "It is not a regular file.");
  return { path, size: state.size, modified: state.mtimeMs };
}

function lost(path: string, message: string, cause?: unknown): LostPlace {
  return { path, error: new ClipBlipError("ERR_IMAGE_DECODE", message, { cause }), folder: false };
}

function isSame(file: FileState, known: FileState | undefined): boolean {
  return known !== undefined && known.size === file.size && known.modified === file.modified;
}
