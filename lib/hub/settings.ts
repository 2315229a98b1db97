import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { ClipBlipError } from "../common/errors.js";

/** Settings of the hub and its cache, from the variables that Python's huggingface_hub reads. */
export interface HubSettings {
  /** May have a path, a user and a password; without a trailing slash. */
  endpoint: string;
  cacheDirectory: string;
  /** The variable that forbids network requests, if one does. */
  offline: "HF_HUB_OFFLINE" | "TRANSFORMERS_OFFLINE" | undefined;
  /** Milliseconds without an answer after which a question about files is given up. */
  etagTimeout: number;
  /** Milliseconds without data after which the download of a file is interrupted. */
  downloadTimeout: number;
}

/** A token, and where it was found, for messages. */
export interface HubToken {
  value: string;
  source: string;
}

/** Seconds. */
const DEFAULT_TIMEOUT = 10;

/**
 * Reads HF_ENDPOINT, HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE,
 * HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT, as docs/guides/hub.md describes them.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT if a variable has an unusable value
 */
export function readHubSettings(environment: NodeJS.ProcessEnv = process.env): HubSettings {
  const { read, path, home } = reader(environment);
  const offline = read("HF_HUB_OFFLINE") === undefined ? "TRANSFORMERS_OFFLINE" : "HF_HUB_OFFLINE";
  return {
    endpoint: endpointOf(read("HF_ENDPOINT")),
    cacheDirectory: path("HF_HUB_CACHE") ?? path("HUGGINGFACE_HUB_CACHE") ?? join(home, "hub"),
    offline: isTrue(read(offline)) ? offline : undefined,
    etagTimeout: milliseconds("HF_HUB_ETAG_TIMEOUT", read("HF_HUB_ETAG_TIMEOUT")),
    downloadTimeout: milliseconds("HF_HUB_DOWNLOAD_TIMEOUT", read("HF_HUB_DOWNLOAD_TIMEOUT")),
  };
}

/**
 * Reads HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or the file that `hf auth login` writes: HF_TOKEN_PATH, else `token` in HF_HOME.
 * Undefined if there is none, or if HF_HUB_DISABLE_IMPLICIT_TOKEN is set.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT if the file cannot be read, or the token cannot be sent
 */
export function readHubToken(environment: NodeJS.ProcessEnv = process.env): HubToken | undefined {
  const { read, path, home } = reader(environment);
  if (isTrue(read("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return undefined;
  for (const source of ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]) {
    const value = read(source);
    if (value !== undefined) return checked({ value: value.replace(/[\r\n]/g, ""), source });
  }
  const file = path("HF_TOKEN_PATH") ?? join(home, "token");
  const value = readToken(file)
    ?.replace(/[\r\n]/g, "")
    .trim();
  return value ? checked({ value, source: file }) : undefined;
}

function readToken(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new ClipBlipError(
      "ERR_INVALID_ARGUMENT",
      `The token in ${file} cannot be read (${code}): correct its permissions, or set HF_TOKEN`,
      { cause },
    );
  }
}

function checked(token: HubToken): HubToken {
  if (/^[\x21-\x7e]+$/.test(token.value)) return token;
  // The value is not shown.
  throw new ClipBlipError(
    "ERR_INVALID_ARGUMENT",
    `The token of ${token.source} has characters that no token has, such as spaces: copy it again`,
  );
}

function reader(environment: NodeJS.ProcessEnv) {
  // An empty variable counts as unset.
  const read = (name: string) => environment[name]?.trim() || undefined;
  const path = (name: string) => {
    const value = read(name);
    return value && expand(value, environment);
  };
  const home = path("HF_HOME") ?? join(path("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface");
  return { read, path, home };
}

/** As os.path.expanduser and expandvars in Python: "~" at the beginning, $NAME and ${NAME}. */
function expand(path: string, environment: NodeJS.ProcessEnv): string {
  return path
    .replace(/^~(?=$|[/\\])/, homedir())
    .replace(/\$(?:(\w+)|\{([^}]+)\})/g, (all, plain, braced) => environment[plain ?? braced] ?? all);
}

function isTrue(value: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(value ?? "");
}

/** An endpoint for messages, without user and password. */
export function publicEndpoint(endpoint: string): string {
  const url = new URL(endpoint);
  url.username = url.password = "";
  return url.href.replace(/\/+$/, "");
}

function endpointOf(value = "https://huggingface.co"): string {
  if (/^https?:\/\//i.test(value) && URL.canParse(value) && !/[?#]/.test(value)) return value.replace(/\/+$/, "");
  // The value is not shown: it may contain a password.
  throw new ClipBlipError("ERR_INVALID_ARGUMENT", "HF_ENDPOINT must be a URL such as https://hub.example/path");
}

/** 0 means the default, as in Python. */
function milliseconds(name: string, value = "0"): number {
  if (!/^\d{1,6}$/.test(value)) {
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", `${name} must be a whole number of seconds, from 0 to 999999`);
  }
  return (Number(value) || DEFAULT_TIMEOUT) * 1000;
}
