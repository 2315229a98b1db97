import { fileURLToPath } from "node:url";
import { ClipBlipError } from "../common/errors.js";
import { brief, quote } from "../common/quote.js";
import { isDataUrl } from "./picture-text.js";

/** Where a string or a URL points to. */
export type Location = { kind: "file"; path: string } | { kind: "data"; url: string } | { kind: "remote"; url: URL };

/**
 * Tells paths from URLs. `name` is what the caller knows the value as, such as `images[3]`.
 *
 * @throws ERR_INVALID_ARGUMENT for an empty string, a malformed URL or a scheme that is not read.
 */
export function locate(value: string | URL, name: string): Location {
  const text = typeof value === "string" ? value : value.href;
  if (isDataUrl(text)) return { kind: "data", url: text };
  // One letter before the colon is a drive of Windows, not a scheme.
  if (!/^(?:file:|[a-z][a-z0-9+.-]+:\/\/|blob:)/i.test(text)) return { kind: "file", path: checkPath(text, name) };
  const url = parse(text, name);
  if (url.protocol === "file:") return { kind: "file", path: checkPath(filePath(url, name), name) };
  if (url.protocol === "http:" || url.protocol === "https:") return { kind: "remote", url };
  throw invalid(`${name} is a ${brief(url.protocol)} URL; only file:, data:, http: and https: URLs are supported.`);
}

/** A location for error messages: no query, since it may hold a secret, and no pages of base64. */
export function describe(location: Location): string {
  if (location.kind === "file") return quote(location.path);
  if (location.kind === "data") return "data URL";
  return quote(`${location.url.origin}${location.url.pathname}`);
}

function checkPath(path: string, name: string): string {
  if (path === "") throw invalid(`${name} is an empty string; give the path or the URL of a picture.`);
  if (path.includes("\0")) throw invalid(`${name} is a path with a NUL character, which no file can have.`);
  return path;
}

function parse(text: string, name: string): URL {
  try {
    return new URL(text);
  } catch (cause) {
    throw invalid(`${name} is not a valid URL; check its spelling.`, cause);
  }
}

function filePath(url: URL, name: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw invalid(`${name} is a file: URL that does not name a file of this machine.`, cause);
  }
}

function invalid(message: string, cause?: unknown): ClipBlipError {
  return new ClipBlipError("ERR_INVALID_ARGUMENT", message, { cause });
}
