import { glob } from "tinyglobby";

/** Endings of the files that are taken from folders and patterns. A file that is named itself may have any. */
const EXTENSIONS = ["jpg", "jpeg", "jfif", "png", "webp", "gif", "avif", "heic", "heif", "tif", "tiff", "bmp", "svg"];

/**
 * The files that match a pattern and are pictures by their ending, in order of their names, separated by "/". Files and
 * folders whose name begins with a dot are left out.
 *
 * @param cwd folder that the pattern and the result start from; default: the working directory
 */
export async function findPictures(pattern: string, cwd?: string): Promise<string[]> {
  const found = await glob(pattern, { cwd, onlyFiles: true, expandDirectories: false });
  return found.filter(isPicture).sort((a, b) => (a < b ? -1 : 1));
}

function isPicture(path: string): boolean {
  return EXTENSIONS.includes(path.slice(path.lastIndexOf(".") + 1).toLowerCase());
}
