import { join } from "node:path";
import { readTextIfPresent } from "./files.js";
import { invalidModel, quote } from "./invalid.js";
import { JsonObject } from "./json.js";

/** The list of modules in a directory of sentence-transformers. */
export const MODULES_FILE = "modules.json";

/**
 * The directory with the files of transformers: sentence-transformers keeps a CLIP in a folder of its own, such as
 * 0_CLIPModel, which modules.json names. Any other directory is returned as it is.
 * @throws ClipBlipError ERR_MODEL_INVALID if the CLIP is followed by modules that change its vectors
 */
export async function modelDirectory(directory: string): Promise<string> {
  const text = await readTextIfPresent(join(directory, MODULES_FILE));
  const folder = text === undefined ? undefined : clipFolder(text);
  return folder === undefined ? directory : join(directory, folder);
}

/** The folder of the CLIP in a modules.json; undefined if the first module is something else. */
function clipFolder(text: string): string | undefined {
  // A list, which JsonObject does not read at the top.
  const list = JsonObject.parse(`{"modules":${text}}`, MODULES_FILE).raw("modules");
  const modules = (Array.isArray(list) ? list : []).map((entry: unknown) => new JsonObject(entry, MODULES_FILE));
  const [first, ...others] = modules.map((module) => ({
    kind: module.text("type").split(".").at(-1),
    folder: module.text("path", ""),
  }));
  if (first?.kind !== "CLIPModel") return undefined;
  const change = others.find(({ kind }) => kind !== "Normalize");
  if (change !== undefined) {
    throw invalidModel(
      `${MODULES_FILE} has a module ${quote(change.kind ?? "")} after the CLIP, which is not supported: load the folder ${quote(first.folder)} if you want the CLIP's own vectors`,
    );
  }
  if (!/^[\w-][\w.-]*$|^$/.test(first.folder)) {
    throw invalidModel(`${MODULES_FILE} names ${quote(first.folder)}, which is not a plain folder name`);
  }
  return first.folder;
}
