import { join } from "node:path";
import { fileSize, isFileError } from "../checkpoint/files.js";
import { invalidModel } from "../checkpoint/invalid.js";
import { shardNames } from "../checkpoint/weights/sharded.js";
import { ClipBlipError } from "../common/errors.js";
import { CachedRepository } from "./cache.js";
import { HubClient, type HubFile, type HubSettings, readHubSettings } from "./client.js";
import { type DownloadProgress, downloadFile } from "./download.js";
import { neededFiles } from "./files.js";

/** Options of `fetchFromHub`. */
export interface HubOptions {
  signal?: AbortSignal;
  onProgress?: (progress: DownloadProgress) => void;
  /** A branch, a tag, or a commit. Default "main". */
  revision?: string;
}

/** `<organisation>/<name>`, as the hub allows it. What ends like a file of weights is meant as a path. */
export function isHubId(text: string): boolean {
  if (/\.(pt|pth|bin|safetensors|onnx)$/i.test(text)) return false;
  return /^[\w-][\w.-]{0,95}\/[\w-][\w.-]{0,95}$/.test(text) && !text.includes("..") && !text.includes("--");
}

/**
 * Downloads a model of the Hugging Face hub into the cache that it shares with Python, and returns the directory of its
 * snapshot. Only what is needed is downloaded: configuration, tokenizer, and one kind of weights. Cached files are not
 * requested again. Without a network, or with HF_HUB_OFFLINE=1, only the cache is used.
 *
 * @throws ClipBlipError ERR_MODEL_NOT_FOUND when the hub does not have or show it, ERR_OFFLINE when it cannot be
 * reached and the cache lacks it, ERR_MODEL_INVALID when there is nothing in it that can be read; `signal.reason`
 */
export async function fetchFromHub(id: string, options: HubOptions = {}): Promise<string> {
  const { signal, revision = "main" } = options;
  signal?.throwIfAborted();
  assertNames(id, revision);
  const settings = readHubSettings();
  const cache = new CachedRepository(settings.cacheDirectory, id);
  if (settings.offline) {
    const snapshot = await cache.completeSnapshot(revision);
    if (snapshot !== undefined) return snapshot;
    throw new ClipBlipError(
      "ERR_OFFLINE",
      `HF_HUB_OFFLINE is set and ${settings.cacheDirectory} does not have all of "${id}": unset it once to download the model`,
    );
  }
  try {
    return await download(new HubClient(settings, id, signal), cache, revision, id, options);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof ClipBlipError && error.code !== "ERR_MODEL_NOT_FOUND") throw error;
    // A model that was downloaded once stays usable, even if the network or the repository is gone.
    const snapshot = await cache.completeSnapshot(revision);
    if (snapshot !== undefined) return snapshot;
    throw explain(error, id, settings);
  }
}

function explain(error: unknown, id: string, { cacheDirectory, endpoint }: HubSettings): ClipBlipError {
  if (error instanceof ClipBlipError) return error;
  if (isFileError(error)) {
    const message = `"${id}" cannot be stored in the cache ${cacheDirectory}: ${error.message}`;
    return new ClipBlipError("ERR_INTERNAL", message, { cause: error });
  }
  return new ClipBlipError(
    "ERR_OFFLINE",
    `"${id}" is not in the cache ${cacheDirectory}, and ${endpoint} cannot be reached: ${reason(error)}. Check the name and the network, or give the path of a checkpoint directory`,
    { cause: error },
  );
}

async function download(
  client: HubClient,
  cache: CachedRepository,
  revision: string,
  id: string,
  options: HubOptions,
): Promise<string> {
  const commit = await client.commitOf(revision);
  const files = await client.files(commit);
  const { small, weights } = neededFiles(new Set(files.keys()));
  if (weights === undefined) {
    throw invalidModel(
      `"${id}" on the hub has ${small.includes("config.json") ? "no PyTorch weights" : "no config.json"}: it is no transformers model that this package can read`,
    );
  }
  const take = (name: string) => takeFile(client, cache, commit, files.get(name), name, options);
  for (const name of small) await take(name);
  await take(weights.file);
  const directory = cache.snapshot(commit);
  for (const shard of weights.index ? await shardNames(join(directory, weights.file)) : []) await take(shard);
  // Last, so that the cache never names a commit that it does not have.
  await cache.rememberCommit(revision, commit);
  return directory;
}

async function takeFile(
  client: HubClient,
  cache: CachedRepository,
  commit: string,
  file: HubFile | undefined,
  name: string,
  options: HubOptions,
): Promise<void> {
  if (await cache.has(commit, name)) return;
  if (file === undefined) throw invalidModel(`The index of the weights names ${name}, which the hub does not have`);
  const blob = cache.blob(file.hash);
  // Another commit may have the same contents.
  if ((await fileSize(blob)) !== file.size) await downloadFile(client, commit, file, blob, options);
  await cache.link(commit, name, file.hash);
}

/** Both become parts of paths and addresses. */
function assertNames(id: string, revision: string): void {
  if (!isHubId(id)) {
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", `Expected a hub id such as "openai/clip-vit-base-patch32"`);
  }
  if (!/^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(revision) || revision.includes("..")) {
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", "Expected the name of a branch or tag, or a commit, for revision");
  }
}

/** `fetch` says only "fetch failed"; what failed is its cause. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
