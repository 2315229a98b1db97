import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { openLocation } from "../checkpoint/open.js";
import { ClipBlipError } from "../common/errors.js";
import { assertFunction, assertOptions, assertSignal, invalidArgument } from "../common/validate.js";
import { locateModel } from "../hub/source.js";
import { fromNative } from "../native/errors.js";
import { native } from "../native/instance.js";
import { withImageSize } from "./image-size.js";
import { assertImageSize, type LoadProgress } from "./load-options.js";

/** Options of `exportCheckpoint`. */
export interface ExportOptions {
  /** Side of the square that pictures are resized to, in pixels; CLIP only, see `ClipLoadOptions`. */
  imageSize?: number;
  signal?: AbortSignal;
  onProgress?: (progress: LoadProgress) => void;
}

/**
 * Writes a checkpoint as one TorchScript archive with its weights (in the dtype that they are stored in), code, tokenizer
 * and preprocessing. It needs no Python. The file appears whole or not at all.
 *
 * @param source the path of a checkpoint directory, a hub id, or a CLIP that OpenAI published (`ViT-B-32.pt`)
 * @param path the archive to write, by custom with the ending `.pt`
 * @example
 * ```ts
 * await exportCheckpoint("openai/clip-vit-base-patch32", "clip.pt");
 * const clip = await ClipModel.load("clip.pt");
 * ```
 * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_OFFLINE,
 * ERR_LIBTORCH_NOT_FOUND, ERR_LIBTORCH_VERSION
 */
export async function exportCheckpoint(source: string, path: string, options: ExportOptions = {}): Promise<void> {
  if (typeof source !== "string" || source === "") throw invalidArgument("source", "a path or a hub id", source);
  if (typeof path !== "string" || path === "") throw invalidArgument("path", "the path of the archive to write", path);
  assertOptions(options, "options", ["imageSize", "signal", "onProgress"]);
  assertImageSize(options.imageSize);
  assertSignal(options.signal, "options.signal");
  assertFunction(options.onProgress, "options.onProgress");
  const { imageSize, signal, onProgress } = options;
  signal?.throwIfAborted();

  // Before anything is downloaded.
  await assertWritable(path);
  const location = await locateModel(source, { signal, onProgress });
  if (location.kind === "archive") {
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", `${location.path} is already an archive: load it as it is`);
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

async function assertWritable(path: string): Promise<void> {
  const refuse = (why: string, cause?: unknown) =>
    new ClipBlipError("ERR_INVALID_ARGUMENT", `${path} cannot be written: ${why}.`, { cause });
  if ((await stat(path).catch(() => undefined))?.isDirectory()) throw refuse("it is a folder");
  try {
    await access(dirname(path), constants.W_OK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw refuse(code === "ENOENT" ? "its folder does not exist" : `its folder is not writable (${code})`, cause);
  }
}
