import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { openLocation } from "../checkpoint/open.js";
import { ClipBlipError } from "../common/errors.js";
import { packagePath } from "../common/package-path.js";
import { brief } from "../common/quote.js";
import { assertFunction, assertOptions, assertSignal, invalidArgument } from "../common/validate.js";
import { locateModel } from "../hub/source.js";
import { fromNative } from "../native/errors.js";
import { native } from "../native/instance.js";
import { withImageSize } from "./image-size.js";
import { assertImageSize, assertNames, type LoadProgress } from "./load-options.js";

/** Options of `exportCheckpoint`. */
export interface ExportOptions {
  /** Side of the model's square input, in pixels; CLIP only, see `ClipLoadOptions`. Default: the checkpoint's own. */
  imageSize?: number | undefined;
  /** A branch, tag or commit of a model on the hub. Default "main". */
  revision?: string | undefined;
  /** The folder that contains the model, in a hub repository or in a directory. Default: its root. */
  subfolder?: string | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/**
 * Writes a checkpoint as one TorchScript archive: code, weights in their stored dtype, tokenizer and preprocessing.
 * Needs no Python. If the export fails, no file is left behind.
 * @param source path of a checkpoint directory, a hub id, a CLIP file as published by OpenAI (`ViT-B-32.pt`),
 * "demo-clip" or "demo-blip"
 * @param path the archive to write, usually named `.pt`
 * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_OFFLINE,
 * ERR_LIBTORCH_NOT_FOUND, ERR_LIBTORCH_VERSION
 * @example
 * ```ts
 * await exportCheckpoint("openai/clip-vit-base-patch32", "clip.pt");
 * const clip = await ClipModel.load("clip.pt");
 * ```
 */
export async function exportCheckpoint(source: string, path: string, options: ExportOptions = {}): Promise<void> {
  if (typeof source !== "string" || source === "") throw invalidArgument("source", "a path or a hub id", source);
  if (typeof path !== "string" || path === "") throw invalidArgument("path", "a path for the archive", path);
  assertOptions(options, "options", ["imageSize", "revision", "subfolder", "signal", "onProgress"]);
  assertImageSize(options.imageSize);
  assertNames(options);
  assertSignal(options.signal, "options.signal");
  assertFunction(options.onProgress, "options.onProgress");
  const { imageSize, revision, subfolder, signal, onProgress } = options;
  signal?.throwIfAborted();

  // Fail before the download, not after it.
  await assertWritable(path);
  const location = await locateModel(demoDirectory(source) ?? source, { revision, subfolder, signal, onProgress });
  if (location.kind === "archive") {
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", `${location.path} is already an archive: load it directly`);
  }
  const checkpoint = await openLocation(location);
  const { spec, warnings } = checkpoint;
  const { extraFiles } = imageSize === undefined ? checkpoint : withImageSize(checkpoint, imageSize);
  for (const warning of warnings) process.emitWarning(warning, { code: "CLIP_BLIP_CHECKPOINT" });
  signal?.throwIfAborted();
  const binding = native();
  try {
    const module = await binding.buildModule(spec, { device: "cpu" });
    try {
      signal?.throwIfAborted();
      await binding.saveModule(module, path, extraFiles);
    } finally {
      await binding.unloadModule(module);
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw fromNative(error);
  }
}

/** The directory of a demo model; undefined for another source. */
function demoDirectory(source: string): string | undefined {
  if (source === "demo") {
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", '"demo" stands for two models: export "demo-clip" or "demo-blip"');
  }
  return source === "demo-clip" || source === "demo-blip" ? packagePath(`models/${source}`) : undefined;
}

async function assertWritable(path: string): Promise<void> {
  const refuse = (why: string, cause?: unknown) =>
    new ClipBlipError("ERR_INVALID_ARGUMENT", `Cannot write ${brief(path)}: ${why}`, { cause });
  if ((await stat(path).catch(() => undefined))?.isDirectory()) throw refuse("it is a folder");
  try {
    await access(dirname(path), constants.W_OK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw refuse(code === "ENOENT" ? "its folder does not exist" : `its folder is not writable (${code})`, cause);
  }
}
