import fs, { type BigIntStats } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { glob } from "tinyglobby";
import { ClipBlipError } from "../common/errors.js";
import { hasPictureEnding } from "./picture-text.js";

/** What was found in a folder, or by a pattern. */
export interface FoundPictures {
  /** In order, separated by "/". */
  paths: string[];
  /** What could not be looked into, or is no file although its name is that of a picture. */
  lost: LostPlace[];
}

/** A place whose pictures are not known. */
export interface LostPlace {
  /** Where it is; "." is the folder itself. Bytes that are not UTF-8 are written as \xNN. */
  path: string;
  /** Says why, without the path. */
  error: ClipBlipError;
  /** Whether there may be pictures below it. */
  folder: boolean;
}

/**
 * The files in a folder and everything below it that are pictures by their ending; paths start from the folder. Files
 * and folders whose name begins with a dot are left out. A folder is entered once, however many links lead to it, and
 * by its own path if that is below the first folder.
 */
export async function picturesBelow(folder: string): Promise<FoundPictures> {
  const walk = new Walk(folder);
  await walk.run();
  walk.paths.sort(byName);
  walk.lost.sort((a, b) => byName(a.path, b.path));
  return { paths: walk.paths, lost: walk.lost };
}

/**
 * The files that match a pattern and are pictures by their ending; each once, although several links may lead to its
 * folder.
 */
export async function picturesMatching(pattern: string): Promise<FoundPictures> {
  const lost: LostPlace[] = [];
  // The library itself takes a folder that cannot be read for an empty one.
  const watched = ((path: string, options: { withFileTypes: true }, done: (...result: unknown[]) => void) =>
    fs.readdir(path, options, (error, entries) => {
      if (error) lost.push({ path, error: unreadable("folder", error), folder: true });
      done(error, entries);
    })) as typeof fs.readdir;
  const found = await glob(pattern, { onlyFiles: true, expandDirectories: false, fs: { ...fs, readdir: watched } });
  return { paths: await withoutDetours(found.filter(hasPictureEnding).sort(byName)), lost };
}

/** Leaves out files that were found by a link, too: of the paths to one, a path without a link or the shortest is kept. */
async function withoutDetours(paths: string[]): Promise<string[]> {
  const folders = new Map<string, string>();
  for (const folder of new Set(paths.map((path) => dirname(path)))) {
    folders.set(folder, await realpath(folder).catch(() => resolve(folder)));
  }
  const realFolder = (path: string) => folders.get(dirname(path))!;
  const detour = (path: string) => (realFolder(path) === resolve(dirname(path)) ? 0 : path.length);
  const kept = new Map<string, string>();
  for (const path of paths) {
    const file = `${realFolder(path)}/${basename(path)}`;
    const other = kept.get(file);
    if (other === undefined || detour(path) < detour(other)) kept.set(file, path);
  }
  return [...kept.values()].sort(byName);
}

const SLASH = Buffer.from("/");
const DOT = ".".charCodeAt(0);

/** Goes through a folder by the bytes of its names, which need not be UTF-8. */
class Walk {
  readonly paths: string[] = [];
  readonly lost: LostPlace[] = [];
  readonly #root: Buffer;
  /** Device and number of the folders that were entered. */
  readonly #entered = new Set<string>();

  constructor(folder: string) {
    this.#root = Buffer.from(folder);
  }

  async run(): Promise<void> {
    const folders: Buffer[] = [Buffer.alloc(0)];
    const links: Buffer[] = [];
    // Links last, so that a folder is found by its own path.
    for (let next = folders.pop(); next; next = folders.pop() ?? links.shift()) await this.#enter(next, folders, links);
  }

  async #enter(folder: Buffer, folders: Buffer[], links: Buffer[]): Promise<void> {
    try {
      const { dev, ino } = await stat(this.#at(folder), { bigint: true });
      const identity = `${dev}:${ino}`;
      if (this.#entered.has(identity)) return;
      this.#entered.add(identity);
      for (const entry of await readdir(this.#at(folder), { withFileTypes: true, encoding: "buffer" })) {
        if (entry.name[0] === DOT) continue;
        const path = folder.length === 0 ? entry.name : Buffer.concat([folder, SLASH, entry.name]);
        if (entry.isDirectory()) folders.push(path);
        else if (entry.isSymbolicLink()) await this.#follow(path, links);
        else this.#take(path, entry.isFile());
      }
    } catch (error) {
      this.#lose(folder, unreadable("folder", error), true);
    }
  }

  async #follow(path: Buffer, links: Buffer[]): Promise<void> {
    let target: BigIntStats;
    try {
      target = await stat(this.#at(path), { bigint: true });
    } catch (error) {
      // A link to nowhere with another ending was none to a picture, and hardly one to a folder.
      const name = path.toString("latin1");
      const folder = !name.slice(name.lastIndexOf("/") + 1).includes(".");
      if (folder || hasPictureEnding(name)) this.#lose(path, unreadable("target of the link", error), folder);
      return;
    }
    if (target.isDirectory()) links.push(path);
    else this.#take(path, target.isFile());
  }

  #take(path: Buffer, isFile: boolean): void {
    if (!hasPictureEnding(path.toString("latin1"))) return;
    const text = path.toString();
    if (!isFile) this.#lose(path, lost("It is not a regular file, although its name is that of a picture."));
    else if (Buffer.from(text).equals(path)) this.paths.push(text);
    else this.#lose(path, lost("Its path is not valid UTF-8, so it cannot be named here: rename it."));
  }

  #lose(path: Buffer, error: ClipBlipError, folder = false): void {
    this.lost.push({ path: path.length === 0 ? "." : shown(path), error, folder });
  }

  #at(path: Buffer): Buffer {
    return path.length === 0 ? this.#root : Buffer.concat([this.#root, SLASH, path]);
  }
}

/** A path with what is not UTF-8 in it escaped, so that no two look the same. */
function shown(path: Buffer): string {
  const text = path.toString();
  if (Buffer.from(text).equals(path)) return text;
  return path.toString("latin1").replaceAll(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}

function unreadable(what: string, cause: unknown): ClipBlipError {
  const { code } = cause as NodeJS.ErrnoException;
  const remedy = code === "ENOENT" ? "it may have been moved" : "check its permissions";
  return lost(`The ${what} cannot be read (${code ?? "unknown error"}); ${remedy}.`, cause);
}

function lost(message: string, cause?: unknown): ClipBlipError {
  return new ClipBlipError("ERR_IMAGE_DECODE", message, { cause });
}

function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
