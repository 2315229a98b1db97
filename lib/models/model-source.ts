import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { EXTRA_FILES, type ExtraFiles } from "../checkpoint/checkpoint.js";
import {
  type BlipDescription,
  type ClipDescription,
  type ModelDescription,
  parseDescription,
} from "../checkpoint/description.js";
import { type ModelLocation, openLocation } from "../checkpoint/open.js";
import { ClipBlipError } from "../common/errors.js";
import { packagePath } from "../common/package-path.js";
import { invalidArgument } from "../common/validate.js";
import { locateModel } from "../hub/source.js";
import { fromNative } from "../native/errors.js";
import type { ModuleHandle, NativeBinding, Placement } from "../native/types.js";
import { withImageSize } from "./image-size.js";
import type { ClipLoadOptions } from "./load-options.js";

/** The descriptions of the models that each class loads. */
export interface Descriptions {
  clip: ClipDescription;
  blip: BlipDescription;
}

/** A model that was found and parsed; its weights are not loaded yet. */
export interface OpenedModel<Description extends ModelDescription = ModelDescription> {
  description: Description;
  extraFiles: ExtraFiles;
  /** Path of the archive, the weights file or the checkpoint directory. */
  path: string;
  /** Puts the weights onto a device; may be called again after they were unloaded. */
  place: (placement: Placement) => Promise<ModuleHandle>;
}

/** Which class loads an architecture. */
const FAMILIES = { clip: "clip", siglip: "clip", blip: "blip" } as const;

const DEMO_DIRECTORIES = { clip: "models/demo-clip", blip: "models/demo-blip" } as const;

/**
 * Finds a model and reads everything but its weights.
 * @throws ClipBlipError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_MODEL_HASH, ERR_OFFLINE
 */
export async function openModel<Family extends keyof Descriptions>(
  binding: NativeBinding,
  source: string,
  family: Family,
  options: Pick<ClipLoadOptions, "imageSize" | "sha256" | "revision" | "subfolder" | "signal" | "onProgress">,
): Promise<OpenedModel<Descriptions[Family]>> {
  if (typeof source !== "string" || source === "")
    throw invalidArgument("source", 'a path, a hub id or "demo"', source);
  const location = await locate(source, family, options);
  if (options.sha256 !== undefined) await verifyHash(location, options.sha256, options.signal);
  const opened =
    location.kind === "archive" ? await openArchive(binding, location.path) : await openUnpacked(binding, location);
  options.signal?.throwIfAborted();
  if (!isOfFamily(opened, family)) {
    const other = family === "clip" ? "BlipModel" : "ClipModel";
    throw new ClipBlipError(
      "ERR_MODEL_INVALID",
      `${opened.path} is a ${opened.description.architecture.toUpperCase()} model: load it with ${other}.load()`,
    );
  }
  return options.imageSize === undefined ? opened : { ...opened, ...withImageSize(opened, options.imageSize) };
}

function isOfFamily<Family extends keyof Descriptions>(
  opened: OpenedModel,
  family: Family,
): opened is OpenedModel<Descriptions[Family]> {
  return FAMILIES[opened.description.architecture] === family;
}

async function locate(
  source: string,
  family: keyof Descriptions,
  options: Pick<ClipLoadOptions, "revision" | "subfolder" | "signal" | "onProgress">,
): Promise<ModelLocation> {
  const { revision, subfolder, signal, onProgress } = options;
  const path = source === "demo" ? packagePath(DEMO_DIRECTORIES[family]) : source;
  return locateModel(path, { revision, subfolder, signal, onProgress });
}

async function openArchive(binding: NativeBinding, path: string): Promise<OpenedModel> {
  const extraFiles = await binding.readExtraFiles(path, [...EXTRA_FILES]).catch((error) => {
    throw fromNative(error);
  });
  return {
    description: parseDescription(extraFiles["clip-blip.json"]!),
    extraFiles,
    path,
    place: (placement) => binding.loadModule(path, placement),
  };
}

async function openUnpacked(binding: NativeBinding, location: ModelLocation): Promise<OpenedModel> {
  const { path } = location;
  const { description, spec, extraFiles, warnings } = await openLocation(location);
  for (const warning of warnings) process.emitWarning(warning, { code: "CLIP_BLIP_CHECKPOINT" });
  return { description, extraFiles, path, place: (placement) => binding.buildModule(spec, placement) };
}

async function verifyHash(location: ModelLocation, expected: string, signal?: AbortSignal): Promise<void> {
  if (location.kind === "directory") {
    throw new ClipBlipError(
      "ERR_INVALID_ARGUMENT",
      "The option sha256 needs a single file: export the checkpoint to a .pt file first",
    );
  }
  const hash = createHash("sha256");
  await pipeline(createReadStream(location.path), hash, { signal });
  const actual = hash.digest("hex");
  if (actual !== expected.toLowerCase()) {
    throw new ClipBlipError(
      "ERR_MODEL_HASH",
      `${location.path} has the SHA-256 ${actual}, expected ${expected.toLowerCase()}: download the file again, or correct the option sha256`,
    );
  }
}
