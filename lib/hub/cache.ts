import { randomUUID } from "node:crypto";
import { copyFile, mkdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileSize } from "../checkpoint/files.js";
import { modelDirectory } from "../checkpoint/sentence-transformers.js";
import { missingFile } from "./files.js";

/** A commit of a repository: 40 hexadecimal digits. */
const COMMIT = /^[0-9a-f]{40}$/;

export function isCommit(text: unknown): text is string {
  return typeof text === "string" && COMMIT.test(text);
}

/**
 * A model in the cache shared by Python's huggingface_hub, the command `hf` and this package:
 *
 *     models--<org>--<name>/refs/<revision>          the commit of a branch or tag
 *     models--<org>--<name>/blobs/<hash>             contents of files
 *     models--<org>--<name>/snapshots/<commit>/<file>  links to blobs
 */
export class CachedRepository {
  readonly #root: string;

  constructor(cacheDirectory: string, id: string) {
    this.#root = join(cacheDirectory, `models--${id.replace("/", "--")}`);
  }

  /** The directory of a commit's files. */
  snapshot(commit: string): string {
    return join(this.#root, "snapshots", commit);
  }

  /** The path of the contents with this hash, which may not exist yet. */
  blob(hash: string): string {
    return join(this.#root, "blobs", hash);
  }

  /** The commit that a revision pointed to when it was last requested; undefined if it never was. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const text = await readFile(join(this.#root, "refs", revision), "utf8").catch(() => undefined);
    const commit = text?.trim();
    return isCommit(commit) ? commit : undefined;
  }

  async rememberCommit(revision: string, commit: string): Promise<void> {
    if (isCommit(revision)) return;
    const path = join(this.#root, "refs", revision);
    await mkdir(dirname(path), { recursive: true });
    // Another process may be reading it: it sees the old text or the new one, never a part.
    const draft = `${path}.${randomUUID()}`;
    await writeFile(draft, commit);
    await rename(draft, path);
  }

  /**
   * The directory of a model in the snapshot of a revision; undefined unless every file that it needs is in the cache.
   */
  async completeSnapshot(revision: string, subfolder: string): Promise<string | undefined> {
    const commit = await this.commitOf(revision);
    if (commit === undefined) return undefined;
    const directory = await modelDirectory(join(this.snapshot(commit), subfolder));
    return (await missingFile(directory)) === undefined ? directory : undefined;
  }

  /** Whether a file of a commit is in the cache. */
  async has(commit: string, file: string): Promise<boolean> {
    return (await fileSize(join(this.snapshot(commit), file))) !== undefined;
  }

  /** Links the contents with a hash as a file of a commit. */
  async link(commit: string, file: string, hash: string): Promise<void> {
    const path = join(this.snapshot(commit), file);
    await mkdir(dirname(path), { recursive: true });
    const draft = `${path}.${randomUUID()}`;
    // Windows allows links only to administrators; copy instead.
    await symlink(relative(dirname(path), this.blob(hash)), draft).catch(() => copyFile(this.blob(hash), draft));
    await rename(draft, path);
  }
}
