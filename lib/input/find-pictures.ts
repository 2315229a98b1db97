import { glob } from "tinyglobby";
import { hasPictureEnding } from "./picture-text.js";

/**
 * The files that match a pattern and are pictures by their ending, in order of their names, separated by "/". Files and
 * folders whose name begins with a dot are left out.
 *
 * @param cwd folder that the pattern and the result start from; default: the working directory
 */
export async function findPictures(pattern: string, cwd?: string): Promise<string[]> {
  const found = await glob(pattern, { cwd, onlyFiles: true, expandDirectories: false });
  return found.filter(hasPictureEnding).sort((a, b) => (a < b ? -1 : 1));
}
