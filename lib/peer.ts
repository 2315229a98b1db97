import { ClipBlipError } from "./errors.js";

/**
 * A package that is not installed with this one, because only a part of it needs it.
 *
 * @param load imports it
 * @param name of the package
 * @param user the part that needs it, for the message
 * @throws ClipBlipError ERR_MODULE_NOT_FOUND with the command that installs it
 */
export async function importPeer<M>(load: () => Promise<M>, name: string, user: string): Promise<M> {
  try {
    return await load();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    // One of its own dependencies may be missing instead; that is not to be mistaken.
    if (code !== "ERR_MODULE_NOT_FOUND" || !message.includes(`'${name}'`)) throw cause;
    throw new ClipBlipError(
      "ERR_MODULE_NOT_FOUND",
      `${user} needs the package ${name}, which is not installed: run npm install ${name}`,
      { cause },
    );
  }
}
