import { homedir } from "node:os";
import { join, posix } from "node:path";
import { HubApiError, listFiles, modelInfo } from "@huggingface/hub";
import { invalidModel } from "../checkpoint/invalid.js";
import { ClipBlipError } from "../common/errors.js";
import { isCommit } from "./cache.js";

/** Settings of the hub and its cache, from the variables that Python's huggingface_hub reads. */
export interface HubSettings {
  /** Without a trailing slash. */
  endpoint: string;
  token: string | undefined;
  cacheDirectory: string;
  /** Whether network requests are forbidden. */
  offline: boolean;
}

/** Reads HF_ENDPOINT, HF_TOKEN, HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and HF_HUB_OFFLINE. */
export function readHubSettings(environment: NodeJS.ProcessEnv = process.env): HubSettings {
  // An empty variable counts as unset.
  const read = (name: string) => environment[name]?.trim() || undefined;
  const userCache = read("XDG_CACHE_HOME") ?? join(homedir(), ".cache");
  const home = read("HF_HOME") ?? join(userCache, "huggingface");
  return {
    endpoint: (read("HF_ENDPOINT") ?? "https://huggingface.co").replace(/\/+$/, ""),
    token: read("HF_TOKEN"),
    cacheDirectory: expandHome(read("HF_HUB_CACHE") ?? read("HUGGINGFACE_HUB_CACHE") ?? join(home, "hub")),
    offline: /^(1|on|yes|true)$/i.test(read("HF_HUB_OFFLINE") ?? ""),
  };
}

function expandHome(path: string): string {
  return path.replace(/^~(?=$|[/\\])/, homedir());
}

/** A file of a repository. */
export interface HubFile {
  path: string;
  /** Bytes. */
  size: number;
  /** Name of its contents in the cache: the SHA-256 of a large file, the Git hash of a small one. */
  hash: string;
  hashKind: "sha256" | "git";
}

/** Sends requests about one model to the hub. Network errors are passed on unchanged. */
export class HubClient {
  readonly #settings: HubSettings;
  readonly #id: string;
  readonly #signal: AbortSignal | undefined;

  constructor(settings: HubSettings, id: string, signal: AbortSignal | undefined) {
    this.#settings = settings;
    this.#id = id;
    this.#signal = signal;
  }

  /** The commit that a revision points to now. */
  async commitOf(revision: string): Promise<string> {
    const { sha } = await this.#ask(() =>
      modelInfo({
        name: this.#id,
        revision,
        additionalFields: ["sha"],
        hubUrl: this.#settings.endpoint,
        fetch: this.#fetch,
      }),
    );
    if (!isCommit(sha))
      throw invalidModel(`${this.#settings.endpoint} gave no commit for "${this.#id}": check HF_ENDPOINT`);
    return sha;
  }

  /** The files in a folder of the repository at a commit, by name; "" is its root. */
  async files(commit: string, folder: string): Promise<Map<string, HubFile>> {
    const files = new Map<string, HubFile>();
    await this.#ask(async () => {
      for await (const { type, path, size, oid, lfs } of listFiles({
        repo: this.#id,
        revision: commit,
        path: folder || undefined,
        hubUrl: this.#settings.endpoint,
        fetch: this.#fetch,
      })) {
        const hash = lfs?.oid ?? oid;
        // The hash becomes a file name in the cache.
        if (type !== "file" || hash === undefined || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)) continue;
        files.set(posix.basename(path), { path, size: lfs?.size ?? size, hash, hashKind: lfs ? "sha256" : "git" });
      }
    });
    return files;
  }

  /** The contents of a file from byte `start` on. The status is 206, or 200 if the whole file is sent. */
  async open(commit: string, file: string, start: number): Promise<Response> {
    const url = `${this.#settings.endpoint}/${this.#id}/resolve/${commit}/${file.split("/").map(encodeURIComponent).join("/")}`;
    const response = await this.#fetch(url, start === 0 ? {} : { headers: { Range: `bytes=${start}-` } });
    if (response.ok) return response;
    await response.body?.cancel();
    throw this.#refusal(response.status, file) ?? new HubApiError(url, response.status);
  }

  readonly #fetch = (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    const { origin } = new URL(input instanceof Request ? input.url : input);
    // Set here because the library accepts only tokens that begin with "hf_". The token is sent to the hub only, not to
    // where links lead.
    if (this.#settings.token !== undefined && origin === new URL(this.#settings.endpoint).origin) {
      headers.set("Authorization", `Bearer ${this.#settings.token}`);
    }
    return fetch(input, { ...init, headers, signal: this.#signal });
  };

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (error) {
      throw (error instanceof HubApiError && this.#refusal(error.statusCode)) || error;
    }
  }

  /** The error for a response that retrying will not change. */
  #refusal(status: number, file?: string): ClipBlipError | undefined {
    if (![400, 401, 403, 404].includes(status)) return undefined;
    const what = file === undefined ? `"${this.#id}"` : `"${this.#id}" (${file})`;
    const advice =
      this.#settings.token === undefined
        ? "If it is private or gated, set HF_TOKEN to a token with access to it"
        : "If it is private or gated, the token in HF_TOKEN has no access to it";
    return new ClipBlipError(
      "ERR_MODEL_NOT_FOUND",
      `${this.#settings.endpoint} has no model ${what}, or denies access to it (status ${status}). ${advice}`,
    );
  }
}
