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
    throw peerError(cause, name, user);
  }
}

/** The same, of a package that `load` takes with `require`. */
export function requirePeer<M>(load: () => M, name: string, user: string): M {
  try {
    return load();
  } catch (cause) {
    throw peerError(cause, name, user);
  }
}

/** `cause`, or what to install where it says that the package itself is not there. */
function peerError(cause: unknown, name: string, user: string): unknown {
  const { code, message } = cause as NodeJS.ErrnoException;
  const missing = code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND";
  // `require` names what was asked for, which may be a part of the package. One of the package's own dependencies may be
  // missing instead; that is not to be mistaken.
  if (!missing || !(message.includes(`'${name}'`) || message.includes(`'${name}/`))) return cause;
  return new ClipBlipError(
    "ERR_MODULE_NOT_FOUND",
    `${user} needs the package ${name}, which is not installed: run npm install ${name}`,
    { cause },
  );
}
