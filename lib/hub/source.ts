import { stat } from "node:fs/promises";
import { join } from "node:path";
import { quote } from "../checkpoint/invalid.js";
import type { ModelLocation } from "../checkpoint/open.js";
import { readZipRecords } from "../checkpoint/weights/zip.js";
import { ClipBlipError } from "../common/errors.js";
import { assertSubfolder, fetchFromHub, type HubOptions, isHubId } from "./hub.js";

/**
 * Finds the files of a source: a file is an archive or a weights file, a directory is a checkpoint, and
 * `organisation/name` that does not exist on disk is looked up on the Hugging Face hub.
 * @throws ClipBlipError ERR_MODEL_NOT_FOUND with what was tried; ERR_OFFLINE, ERR_MODEL_INVALID; `signal.reason`
 */
export async function locateModel(source: string, options: HubOptions = {}): Promise<ModelLocation> {
  const { revision, subfolder } = options;
  const found = await stat(source).catch(() => undefined);
  if (found !== undefined && revision !== undefined) throw onlyFor("revision", "models of the hub", source);
  if (found?.isFile()) {
    if (subfolder !== undefined) throw onlyFor("subfolder", "folders and models of the hub", source);
    return { kind: (await isArchive(source)) ? "archive" : "weights", path: source };
  }
  if (found?.isDirectory()) {
    assertSubfolder(subfolder ?? "");
    return { kind: "directory", path: join(source, subfolder ?? "") };
  }
  if (!isHubId(source)) {
    throw new ClipBlipError(
      "ERR_MODEL_NOT_FOUND",
      `There is no file or directory ${quote(source)}, and it is not a hub id such as "openai/clip-vit-base-patch32": check the path`,
    );
  }
  try {
    return { kind: "directory", path: await fetchFromHub(source, options) };
  } catch (error) {
    if (error instanceof ClipBlipError && ["ERR_MODEL_NOT_FOUND", "ERR_OFFLINE"].includes(error.code)) {
      throw new ClipBlipError(error.code, `There is no file or directory ${quote(source)}. ${error.message}`, {
        cause: error,
      });
    }
    throw error;
  }
}

function onlyFor(option: string, what: string, source: string): ClipBlipError {
  return new ClipBlipError(
    "ERR_INVALID_ARGUMENT",
    `options.${option} is for ${what}, but ${quote(source)} is on this disk: leave the option out`,
  );
}

/** Whether this package wrote a file, judging by its contents; false if it cannot be read. */
async function isArchive(path: string): Promise<boolean> {
  const records = await readZipRecords(path).catch(() => undefined);
  return records !== undefined && [...records.keys()].some((name) => /^[^/]+\/extra\/clip-blip\.json$/.test(name));
}
