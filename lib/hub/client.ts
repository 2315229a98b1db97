import { posix } from "node:path";
import { setTimeout } from "node:timers/promises";
import pLimit from "p-limit";
import { ClipBlipError } from "../common/errors.js";
import { outgoing } from "../common/outgoing.js";
import { quote } from "../common/quote.js";
import { isCommit } from "./cache.js";
import { HubRefusal } from "./refusal.js";
import { type HubSettings, type HubToken, publicEndpoint } from "./settings.js";

/** A file of a repository. */
export interface HubFile {
  path: string;
  /** The commit, or the branch or tag, under which it is downloaded. */
  revision: string;
  /** Bytes; undefined where a mirror does not say. */
  size: number | undefined;
  /** Name of its contents in the cache: the SHA-256 of a large file, the Git hash of a small one, or a mirror's ETag. */
  hash: string;
  /** What the hash is of the contents; undefined if it is only a name. */
  hashKind: "sha256" | "git" | undefined;
}

/** Hosts of the Hugging Face hub, to which mirrors redirect questions about files. */
const HUB_HOSTS = ["huggingface.co", "hf.co"];

/** As many as in Python. */
const MAX_REDIRECTS = 20;

/** Milliseconds before a busy hub is asked for the second time; then doubled. */
const PAUSE = 200;

/** Longest time in seconds, named by the hub, for which a load waits by itself. */
const MAX_RETRY_AFTER = 10;

/** Number of files that are asked about at a time. */
const QUESTIONS = 8;

/** Files of which a repository has at least one, to learn the commit of a revision. */
const LANDMARKS = ["config.json", "open_clip_config.json", "modules.json", "README.md"];

/** A revision, and the commit that it points to. */
export interface Revision {
  revision: string;
  commit: string;
}

/** Sends requests about one model to the hub. Network errors are passed on unchanged. */
export class HubClient {
  readonly #settings: HubSettings;
  readonly #token: HubToken | undefined;
  readonly #id: string;
  /** Number of times that a busy hub is asked. */
  readonly #tries: number;
  readonly #signal: AbortSignal | undefined;
  /** The endpoint for messages, without user and password. */
  readonly name: string;

  constructor(
    settings: HubSettings,
    token: HubToken | undefined,
    id: string,
    { tries, signal }: { tries: number; signal: AbortSignal | undefined },
  ) {
    this.#settings = settings;
    this.#token = token;
    this.#id = id;
    this.#tries = tries;
    this.#signal = signal;
    this.name = publicEndpoint(settings.endpoint);
  }

  /** The commit that a revision points to now; `folder` is one that the model may be in. */
  async commitOf(revision: string, folder: string): Promise<string> {
    let problem: ClipBlipError = noHub(this.name, "names no commit of the model");
    try {
      const info = await this.#api(revision, `revision/${encodeURIComponent(revision)}`, folder);
      const { sha } = ((await info.json().catch(() => undefined)) ?? {}) as { sha?: unknown };
      if (isCommit(sha)) return sha;
    } catch (error) {
      if (!isMissingApi(error)) throw error;
      problem = error;
    }
    // A mirror that has files alone says the commit with each of them, which is all that Python asks for.
    for (const name of LANDMARKS) {
      const found = await this.#head(revision, posix.join(folder, name));
      const commit = found?.headers.get("X-Repo-Commit");
      if (isCommit(commit)) return commit;
      if (found !== undefined) problem = noHub(this.name, "names no commit of the model");
    }
    throw problem;
  }

  /** The files in a folder of the repository at a commit, by name; undefined if the mirror has no lists. */
  async list(commit: string, folder: string): Promise<Map<string, HubFile> | undefined> {
    const files = new Map<string, HubFile>();
    const path = ["tree", commit, ...segments(folder)].join("/");
    try {
      for (let query = ""; ; ) {
        const page = await this.#api(commit, path + query, folder);
        const entries = await page.json().catch(() => undefined);
        if (!Array.isArray(entries)) return undefined;
        for (const entry of entries) {
          const file = readEntry(entry, commit);
          if (file !== undefined) files.set(posix.basename(file.path), file);
        }
        const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(page.headers.get("Link") ?? "")?.[1];
        if (next === undefined) return files;
        // Only what is after the "?", as a mirror may pass on a link to the hub itself.
        query = new URL(next, page.url).search;
      }
    } catch (error) {
      if (isMissingApi(error)) return undefined;
      throw error;
    }
  }

  /** Those of some files in a folder that exist, by name; for mirrors without lists. */
  async probe(at: Revision, folder: string, names: readonly string[]): Promise<Map<string, HubFile>> {
    const limit = pLimit(QUESTIONS);
    const found = await limit.map(names, (name) => this.file(at, posix.join(folder, name)));
    return new Map(found.flatMap((file) => (file === undefined ? [] : [[posix.basename(file.path), file] as const])));
  }

  /**
   * A file; undefined if there is none. It is asked for by the name of the revision, as in Python: some mirrors know no
   * commits.
   */
  async file({ revision, commit }: Revision, path: string): Promise<HubFile | undefined> {
    const response = await this.#head(revision, path);
    if (response === undefined) return undefined;
    const { headers } = response;
    const now = headers.get("X-Repo-Commit");
    if (isCommit(now) && now !== commit) {
      const change = `${quote(revision)} of "${this.#id}" changed on ${this.name} during the download: load it again`;
      throw new ClipBlipError("ERR_OFFLINE", change);
    }
    const etag = headers.get("X-Linked-ETag") ?? headers.get("ETag") ?? "";
    const hash = etag.replace(/^[W/]+/, "").replace(/^"+|"+$/g, "");
    // The hash becomes a file name in the cache.
    if (!/^[\w.-]{1,200}$/.test(hash) || /^\.+$/.test(hash)) throw noHub(this.name, "sends no usable ETag");
    const size = headers.get("X-Linked-Size") ?? (response.ok ? headers.get("Content-Length") : null);
    return {
      path,
      revision,
      size: size !== null && /^\d+$/.test(size) ? Number(size) : undefined,
      hash,
      // The Git hash looks like a SHA-1, which the ETag of a mirror may be.
      hashKind: /^[0-9a-f]{64}$/.test(hash) ? "sha256" : undefined,
    };
  }

  /** The contents of a file from byte `start` on. The status is 206, or 200 if the whole file is sent. */
  open({ path, revision }: HubFile, start: number): Promise<Response> {
    const headers: Record<string, string> = { "Accept-Encoding": "identity" };
    if (start > 0) headers.Range = `bytes=${start}-`;
    const { downloadTimeout } = this.#settings;
    return this.#ask(this.#url(path, revision), { headers, timeout: downloadTimeout, revision, path });
  }

  /** What the hub says of a file; undefined if there is none. */
  async #head(revision: string, path: string): Promise<Response | undefined> {
    try {
      return await this.#ask(this.#url(path, revision), {
        method: "HEAD",
        headers: { "Accept-Encoding": "identity" },
        timeout: this.#settings.etagTimeout,
        revision,
        path,
      });
    } catch (error) {
      const absent = error instanceof HubRefusal && error.status === 404;
      if (absent && [undefined, "EntryNotFound"].includes(error.hubCode)) return undefined;
      throw error;
    }
  }

  #api(revision: string, path: string, folder: string): Promise<Response> {
    const url = new URL(`${this.#settings.endpoint}/api/models/${this.#id}/${path}`);
    return this.#ask(url, { timeout: this.#settings.etagTimeout, revision, path: folder });
  }

  #url(file: string, revision: string): URL {
    const path = [this.#id, "resolve", encodeURIComponent(revision), ...segments(file)].join("/");
    return new URL(`${this.#settings.endpoint}/${path}`);
  }

  /** The answer to a question, asked again where the hub is busy. */
  async #ask(url: URL, question: Question): Promise<Response> {
    for (let pause = PAUSE, tries = 1; ; pause *= 2, tries++) {
      const response = await this.#send(url, question);
      // Of a file that is stored elsewhere, the redirect says what it is.
      if (response.ok || (question.method === "HEAD" && response.headers.has("Location"))) return response;
      await response.body?.cancel();
      const { id, token, endpoint } = { id: this.#id, token: this.#token, endpoint: this.name };
      const refusal = new HubRefusal(response, { ...question, id, token, endpoint });
      const { transient, retryAfter = 0 } = refusal;
      if (!transient || tries >= this.#tries || retryAfter > MAX_RETRY_AFTER) throw refusal;
      await setTimeout(Math.max(pause, retryAfter * 1000), undefined, { signal: this.#signal });
    }
  }

  /** The answer to a request and its redirects. */
  async #send(start: URL, { method, headers, timeout }: Question): Promise<Response> {
    let url = start;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const sent: Record<string, string> = { ...headers };
      if (this.#mayHaveToken(url)) sent.Authorization = `Bearer ${this.#token?.value}`;
      const response = await outgoing(url, {
        method,
        headers: sent,
        timeout,
        redirect: "manual",
        signal: this.#signal,
      });
      const location = response.status >= 300 && response.status < 400 ? response.headers.get("Location") : null;
      if (location === null) return response;
      const target = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
      if (target === undefined || !/^https?:$/.test(target.protocol)) {
        throw noHub(this.name, "redirects to something that is no http(s) URL");
      }
      if (method === "HEAD" && target.hostname !== url.hostname && !HUB_HOSTS.includes(target.hostname))
        return response;
      await response.body?.cancel();
      url = target;
    }
    throw noHub(this.name, `redirects more than ${MAX_REDIRECTS} times`);
  }

  /**
   * Whether a request gets the token: only those to the hub itself, not to where it redirects, but for the same host
   * with https in place of http.
   */
  #mayHaveToken(url: URL): boolean {
    if (this.#token === undefined) return false;
    const { origin, protocol, port, hostname } = new URL(this.#settings.endpoint);
    const upgraded = protocol === "http:" && port === "" && url.origin === `https://${hostname}`;
    return url.origin === origin || upgraded;
  }
}

/** A request, and what it is about. */
interface Question {
  method?: "HEAD";
  headers?: Record<string, string>;
  /** Milliseconds. */
  timeout: number;
  revision: string;
  path: string;
}

/** Whether a mirror may lack a part of the hub's API: the hub itself says more, and so do its proxies. */
function isMissingApi(error: unknown): error is HubRefusal {
  return error instanceof HubRefusal && error.hubCode === undefined && error.status !== 407 && error.status !== 429;
}

/** A file in an answer of the API; undefined for folders. */
function readEntry(entry: unknown, revision: string): HubFile | undefined {
  const { type, path, size, oid, lfs } = (entry ?? {}) as Record<string, unknown> & {
    lfs?: { oid?: unknown; size?: unknown };
  };
  const hash = lfs?.oid ?? oid;
  const bytes = lfs?.size ?? size;
  // The hash becomes a file name in the cache.
  if (typeof hash !== "string" || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)) return undefined;
  if (type !== "file" || typeof path !== "string" || typeof bytes !== "number") return undefined;
  return { path, revision, size: bytes, hash, hashKind: lfs ? "sha256" : "git" };
}

function segments(path: string): string[] {
  return path === "" ? [] : path.split("/").map(encodeURIComponent);
}

function noHub(endpoint: string, what: string): ClipBlipError {
  return new ClipBlipError("ERR_OFFLINE", `${endpoint} ${what}: check HF_ENDPOINT and the network`);
}
