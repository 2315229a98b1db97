import { ClipBlipError } from "./errors.js";

/**
 * Imports packages that only a part of this one needs. They are optional peers, which npm does not install by itself.
 *
 * @param load imports them
 * @param packages as `npm install` takes them, such as "bullmq@6 ioredis@6"
 * @param user the part that needs them, as the beginning of a sentence
 * @throws ClipBlipError ERR_MODULE_NOT_FOUND with the command that installs them
 */
export async function importPeer<M>(load: () => Promise<M>, packages: string, user: string): Promise<M> {
  try {
    return await load();
  } catch (cause) {
    throw peerError(cause, packages, user);
  }
}

/** The same for packages that `load` takes with `require`. */
export function requirePeer<M>(load: () => M, packages: string, user: string): M {
  try {
    return load();
  } catch (cause) {
    throw peerError(cause, packages, user);
  }
}

/** What to install, where `cause` says that one of the packages is missing; else `cause` itself. */
function peerError(cause: unknown, packages: string, user: string): unknown {
  const { code, message } = cause as NodeJS.ErrnoException;
  const notFound = code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND";
  // `require` names what was asked for, which may be a part of the package. Where one of the package's own dependencies
  // is missing, installing the package again would not help.
  const isNamed = (name: string) => message.includes(`'${name}'`) || message.includes(`'${name}/`);
  const names = packages.split(" ").map((one) => one.replace(/(?<=.)@.*$/, ""));
  if (!notFound || !names.some(isNamed)) return cause;
  const lacks =
    names.length === 1 ? `the package ${names[0]}, which is not installed` : "packages that are not installed";
  return new ClipBlipError("ERR_MODULE_NOT_FOUND", `${user} needs ${lacks}: run npm install ${packages}`, { cause });
}
