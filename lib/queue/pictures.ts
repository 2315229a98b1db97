import { realpath, stat } from "node:fs/promises";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { ClipBlipError } from "../common/errors.js";
import { brief, quote } from "../common/quote.js";
import { readImageFile } from "../input/file.js";
import { describe } from "../input/location.js";
import { isDataUrl } from "../input/picture-text.js";
import { publicFetcher } from "../input/public-remote.js";
import type { ImageInput } from "../input/types.js";

/** What a worker may read: anyone who can put jobs into Redis chooses the pictures. */
export interface PictureAccess {
  /** Folders below which `file:` URIs are read. Default: none, so no files are read. */
  roots?: string[] | undefined;
  /** Fetch `http:` and `https:` URIs, from public addresses only. Default false. */
  allowRemote?: boolean | undefined;
  /** Addresses or ranges that are fetched from although they are not public, such as "10.0.0.0/8". Default: none. */
  allowedAddresses?: string[] | undefined;
}

/**
 * Reads or fetches a picture. Rejects with ClipBlipError ERR_INVALID_ARGUMENT if it may not be read, ERR_IMAGE_DECODE,
 * ERR_IMAGE_TOO_LARGE, and with `signal.reason`.
 */
export type PictureReader = (uri: string, signal: AbortSignal) => Promise<ImageInput>;

/** @throws ClipBlipError ERR_INVALID_ARGUMENT if a root is not a folder */
export async function pictureReader(access: PictureAccess): Promise<PictureReader> {
  const roots = await Promise.all((access.roots ?? []).map(openRoot));
  const fetchPicture = access.allowRemote
    ? publicFetcher({ allowedAddresses: access.allowedAddresses })
    : async (): Promise<Uint8Array> => {
        throw refused("This worker does not fetch pictures by URL: start it with allowRemote (--allow-remote).");
      };
  return async (uri, signal) => {
    if (isDataUrl(uri)) return uri;
    const url = new URL(uri);
    if (url.protocol === "file:") return readBelow(roots, url);
    return fetchPicture(url, describe({ kind: "remote", url }), signal);
  };
}

/** A root as it was given, and with links resolved. */
interface Root {
  path: string;
  real: string;
}

async function openRoot(root: string): Promise<Root> {
  const path = resolve(root);
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) throw refused(`The root ${brief(root)} is not a folder: name a folder with pictures.`);
  return { path, real: await realpath(path) };
}

async function readBelow(roots: Root[], url: URL): Promise<Uint8Array> {
  const name = quote(url.href);
  const path = filePath(url, name);
  // Checked before the disk is read, so that nobody can find out which files exist elsewhere.
  if (!roots.some((root) => isBelow(path, root.path) || isBelow(path, root.real))) throw outside(name);
  const real = await realpath(path).catch(() => path);
  if (!roots.some((root) => isBelow(real, root.real))) throw outside(name);
  return readImageFile(real, name);
}

function filePath(url: URL, name: string): string {
  try {
    const path = fileURLToPath(url);
    if (!path.includes("\0")) return path;
  } catch {
    // The URL has a host, or a percent-encoded slash.
  }
  throw refused(`${name} is not the path of a file on this machine.`);
}

function isBelow(path: string, root: string): boolean {
  const way = relative(root, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function outside(name: string): ClipBlipError {
  return refused(`${name} is not in a folder that this worker may read: start it with roots (--root).`);
}

function refused(message: string): ClipBlipError {
  return new ClipBlipError("ERR_INVALID_ARGUMENT", message);
}
