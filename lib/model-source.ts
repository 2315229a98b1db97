import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { type ModelDescription, parseDescription } from "./checkpoint/description.js";
import { openCheckpoint } from "./checkpoint/directory.js";
import { locateModel, type ModelLocation } from "./checkpoint/source.js";
import { fromNative } from "./engine/native-error.js";
import { ClipBlipError } from "./errors.js";
import type { ModuleHandle, NativeBinding, Placement } from "./native/types.js";
import type { LoadOptions } from "./options.js";
import { packagePath } from "./package-path.js";
import { invalidArgument } from "./validate.js";

/** The text files that an archive carries beside the weights. */
export type ExtraFiles = Record<string, string>;

/** A model that was found and understood; its weights are not loaded yet. */
export interface OpenedModel {
  description: ModelDescription;
  extraFiles: ExtraFiles;
  /** Path of the archive or of the checkpoint directory. */
  path: string;
  /** Puts the weights on a device; may be called again after they have left it. */
  place: (placement: Placement) => Promise<ModuleHandle>;
}

const DEMO_DIRECTORIES = { clip: "models/demo-clip", blip: "models/demo-blip" } as const;

const EXTRA_FILES = [
  "clip-blip.json",
  "preprocessor_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "generation_config.json",
];

/**
 * Finds a model and reads everything but its weights.
 * @throws ClipBlipError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_MODEL_HASH, ERR_OFFLINE
 */
export async function openModel(
  binding: NativeBinding,
  source: string,
  architecture: "clip" | "blip",
  options: Pick<LoadOptions, "sha256" | "signal" | "onProgress">,
): Promise<OpenedModel> {
  if (typeof source !== "string" || source === "")
    throw invalidArgument("source", 'a path, a hub id or "demo"', source);
  const location = await locate(source, architecture, options);
  if (options.sha256 !== undefined) await verifyHash(location, options.sha256, options.signal);
  const opened =
    location.kind === "archive"
      ? await openArchive(binding, location.path)
      : await openDirectory(binding, location.path);
  options.signal?.throwIfAborted();
  if (opened.description.architecture !== architecture) {
    const other = architecture === "clip" ? "BlipModel" : "ClipModel";
    throw new ClipBlipError(
      "ERR_MODEL_INVALID",
      `${opened.path} is a ${opened.description.architecture.toUpperCase()} model: load it with ${other}.load()`,
    );
  }
  return opened;
}

async function locate(
  source: string,
  architecture: "clip" | "blip",
  { signal, onProgress }: Pick<LoadOptions, "signal" | "onProgress">,
): Promise<ModelLocation> {
  if (source === "demo") return { kind: "directory", path: packagePath(DEMO_DIRECTORIES[architecture]) };
  return locateModel(source, { signal, onProgress });
}

async function openArchive(binding: NativeBinding, path: string): Promise<OpenedModel> {
  const extraFiles = await binding.readExtraFiles(path, EXTRA_FILES).catch((error) => {
    throw fromNative(error);
  });
  const text = extraFiles["clip-blip.json"];
  if (text === undefined) {
    throw new ClipBlipError(
      "ERR_MODEL_INVALID",
      `${path} is a TorchScript archive, but not one of clip-blip: make one with "clip-blip export <checkpoint> <out.pt>"`,
    );
  }
  return {
    description: parseDescription(text),
    extraFiles,
    path,
    place: (placement) => binding.loadModule(path, placement),
  };
}

async function openDirectory(binding: NativeBinding, path: string): Promise<OpenedModel> {
  const { description, spec, extraFiles, warnings } = await openCheckpoint(path);
  for (const warning of warnings) process.emitWarning(warning, { code: "CLIP_BLIP_CHECKPOINT" });
  return { description, extraFiles, path, place: (placement) => binding.buildModule(spec, placement) };
}

async function verifyHash(location: ModelLocation, expected: string, signal?: AbortSignal): Promise<void> {
  if (location.kind !== "archive") {
    throw new ClipBlipError(
      "ERR_INVALID_ARGUMENT",
      "sha256 is for archives: export the checkpoint to a .pt file first",
    );
  }
  const hash = createHash("sha256");
  await pipeline(createReadStream(location.path), hash, { signal });
  const actual = hash.digest("hex");
  if (actual !== expected.toLowerCase()) {
    throw new ClipBlipError(
      "ERR_MODEL_HASH",
      `${location.path} has the SHA-256 ${actual}, not the expected ${expected.toLowerCase()}: it is not the file you mean`,
    );
  }
}
