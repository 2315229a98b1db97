import { join, posix, relative } from "node:path";
import { ADAPTER_CONFIG, adapterAlone } from "../checkpoint/directory.js";
import { fileSize, isFileError } from "../checkpoint/files.js";
import { invalidModel } from "../checkpoint/invalid.js";
import { MODULES_FILE, modelDirectory } from "../checkpoint/sentence-transformers.js";
import { shardNames } from "../checkpoint/weights/sharded.js";
import { ClipBlipError } from "../common/errors.js";
import { reasonOf } from "../common/outgoing.js";
import { invalidArgument } from "../common/validate.js";
import { CachedRepository } from "./cache.js";
import { HubClient, type HubFile } from "./client.js";
import { type DownloadProgress, downloadFile } from "./download.js";
import { KNOWN_FILES, neededFiles } from "./files.js";
import { redact } from "./refusal.js";
import { type HubSettings, type HubToken, readHubSettings, readHubToken } from "./settings.js";

/** Number of times that a busy hub is asked for a model that is not in the cache. */
const MAX_TRIES = 3;

/** Options of `fetchFromHub`. */
export interface HubOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** A branch, tag or commit. Default "main". */
  revision?: string | undefined;
  /** The folder of the repository that contains the model, such as "onnx/clip". Default: its root. */
  subfolder?: string | undefined;
}

/**
 * Whether a text is a valid hub id, `<organisation>/<name>`. A name with the ending of a weights file counts as a path.
 */
export function isHubId(text: string): boolean {
  if (/\.(pt|pth|bin|safetensors|onnx)$/i.test(text)) return false;
  return /^[\w-][\w.-]{0,95}\/[\w-][\w.-]{0,95}$/.test(text) && !text.includes("..") && !text.includes("--");
}

/**
 * Downloads a model from the Hugging Face hub into the cache shared with Python, and returns its directory in the
 * snapshot. Downloads only what is needed: configuration, tokenizer, and one kind of weights. Files in the cache are
 * not downloaded again. Without a network, or with HF_HUB_OFFLINE=1, only the cache is used.
 *
 * @throws ClipBlipError ERR_MODEL_NOT_FOUND if the hub does not have it or denies access, ERR_OFFLINE if the hub cannot
 * be reached and the cache lacks it, ERR_MODEL_INVALID if it contains no supported model; `signal.reason`
 */
export async function fetchFromHub(id: string, options: HubOptions = {}): Promise<string> {
  const { signal, revision = "main", subfolder = "" } = options;
  signal?.throwIfAborted();
  assertNames(id, revision, subfolder);
  const settings = readHubSettings();
  const cache = new CachedRepository(settings.cacheDirectory, id);
  if (settings.offline !== undefined) {
    const snapshot = await cache.completeSnapshot(revision, subfolder);
    if (snapshot !== undefined) return snapshot;
    throw new ClipBlipError(
      "ERR_OFFLINE",
      `${settings.offline} is set, but "${id}" is not complete in the cache ${settings.cacheDirectory}: unset ${settings.offline} once to download the model`,
    );
  }
  const token = readHubToken();
  // A downloaded model stays usable, whatever happens to the network or the repository.
  const snapshot = await cache.completeSnapshot(revision, subfolder).catch(() => undefined);
  const client = new HubClient(settings, token, id, { tries: snapshot === undefined ? MAX_TRIES : 1, signal });
  try {
    return await download(client, cache, id, { ...options, revision, subfolder });
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof ClipBlipError && !["ERR_MODEL_NOT_FOUND", "ERR_OFFLINE"].includes(error.code)) throw error;
    if (snapshot !== undefined) return snapshot;
    throw explain(error, id, settings, client.name, token);
  }
}

function explain(
  error: unknown,
  id: string,
  settings: HubSettings,
  endpoint: string,
  token: HubToken | undefined,
): ClipBlipError {
  if (error instanceof ClipBlipError) return error;
  const { cacheDirectory } = settings;
  if (isFileError(error)) {
    const message = `Cannot store "${id}" in the cache ${cacheDirectory}: ${error.message}. Free space there, or set HF_HOME to another directory`;
    return new ClipBlipError("ERR_INTERNAL", message, { cause: error });
  }
  const reason = redact(reasonOf(error), token);
  return new ClipBlipError(
    "ERR_OFFLINE",
    `"${id}" is not in the cache ${cacheDirectory}, and ${endpoint} is not available: ${reason}. ${advice(reason, settings)}, or pass the path of a checkpoint directory`,
    { cause: error },
  );
}

/** What to do about a network error. */
function advice(reason: string, { etagTimeout, downloadTimeout }: HubSettings): string {
  if (/timeout/i.test(reason)) {
    return `Check the network, or wait longer with HF_HUB_ETAG_TIMEOUT (${etagTimeout / 1000} s) and HF_HUB_DOWNLOAD_TIMEOUT (${downloadTimeout / 1000} s)`;
  }
  if (/certificate/i.test(reason)) return "Name the file of the certificates to trust in SSL_CERT_FILE";
  return "Check the network, HF_ENDPOINT and the variables of the proxy";
}

async function download(
  client: HubClient,
  cache: CachedRepository,
  id: string,
  options: HubOptions & { revision: string; subfolder: string },
): Promise<string> {
  const { revision } = options;
  const commit = await client.commitOf(revision, options.subfolder);
  const snapshot = cache.snapshot(commit);
  const open = async (folder: string) => {
    const listed = await client.list(commit, folder);
    const at = { revision, commit };
    const files = listed ?? (await client.probe(at, folder, KNOWN_FILES));
    const take = (name: string) => {
      const path = posix.join(folder, name);
      const find = async () => files.get(name) ?? (listed ? undefined : client.file(at, path));
      return takeFile(client, cache, commit, find, path, options);
    };
    return { folder, names: new Set(files.keys()), take };
  };
  let { folder, names, take } = await open(options.subfolder);
  if (names.has(MODULES_FILE)) {
    await take(MODULES_FILE);
    const directory = relative(snapshot, await modelDirectory(join(snapshot, folder)));
    if (directory !== folder) ({ folder, names, take } = await open(directory));
  }
  const { small, weights } = neededFiles(names);
  if (weights === undefined) {
    const where = `"${id}"${folder === "" ? "" : ` (${folder})`} on the hub`;
    if (names.has(ADAPTER_CONFIG)) throw adapterAlone(where);
    throw invalidModel(
      `${where} has ${small.includes("config.json") ? "no PyTorch weights" : "no config.json"}: choose a model in the format of transformers or open_clip`,
    );
  }
  for (const name of small) await take(name);
  await take(weights.file);
  const directory = join(snapshot, folder);
  for (const shard of weights.index ? await shardNames(join(directory, weights.file)) : []) await take(shard);
  // Last, so that the cache never points to an incomplete commit.
  await cache.rememberCommit(revision, commit);
  return directory;
}

async function takeFile(
  client: HubClient,
  cache: CachedRepository,
  commit: string,
  find: () => Promise<HubFile | undefined>,
  name: string,
  options: HubOptions,
): Promise<void> {
  if (await cache.has(commit, name)) return;
  const file = await find();
  if (file === undefined)
    throw invalidModel(`The index of the weights lists ${name}, which is not on the hub: the model is incomplete`);
  const blob = cache.blob(file.hash);
  // The cache may have the contents from another commit.
  const kept = await fileSize(blob);
  if (kept === undefined || kept !== (file.size ?? kept)) await downloadFile(client, file, blob, options);
  await cache.link(commit, name, file.hash);
}

/** Checks the names, which become parts of paths and URLs. */
function assertNames(id: string, revision: string, subfolder: string): void {
  if (!isHubId(id)) {
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", `Expected a hub id such as "openai/clip-vit-base-patch32"`);
  }
  if (!isRevision(revision)) {
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", "Expected a branch, tag or commit for revision");
  }
  assertSubfolder(subfolder);
}

/** Whether Git allows a name, which becomes a file of the cache: `git check-ref-format`. */
function isRevision(name: string): boolean {
  return name !== "" && !/[\p{Cc} ~^:?*[\\]|\.\.|@\{|\/\/|(^|\/)\.|^\/|[/.]$/u.test(name);
}

/** @throws ClipBlipError ERR_INVALID_ARGUMENT for a path that is absolute or leaves the model's directory */
export function assertSubfolder(subfolder: string): void {
  const isFolder = (name: string) => !["", ".", ".."].includes(name) && !/[\p{Cc}\\:]/u.test(name);
  if (subfolder === "" || subfolder.split("/").every(isFolder)) return;
  throw invalidArgument(
    "options.subfolder",
    'the path of a folder in the model\'s directory, such as "clip"',
    subfolder,
  );
}
