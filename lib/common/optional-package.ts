import { ClipBlipError } from "./errors.js";

/**
 * Imports packages that only a part of this one needs: they are optional peers, which npm does not install by itself.
 *
 * @param feature what needs them, as the beginning of a sentence
 * @param names what to tell `npm install`, such as "bullmq@6"
 * @throws ClipBlipError ERR_MODULE_NOT_FOUND with the command that installs them
 */
export async function optionalPackage<T>(load: () => Promise<T>, feature: string, names: string[]): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    const message = `${feature} needs packages that are not installed: run "npm install ${names.join(" ")}"`;
    throw new ClipBlipError("ERR_MODULE_NOT_FOUND", message, { cause: error });
  }
}
