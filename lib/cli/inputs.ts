import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { join } from "node:path";
import { convertPathToPattern } from "tinyglobby";
import { findPictures } from "../input/find-pictures.js";
import type { Failure, Subject } from "./outcome.js";

/** The pictures that the arguments of a command name. */
export interface ExpandedInputs {
  /** Paths in the order of the arguments, each once. */
  paths: string[];
  /** The arguments that name nothing. */
  missing: (Subject & Failure)[];
}

/** The argument that stands for a picture on standard input. */
export const STDIN = "-";

/** Turns files, folders (with everything below them) and patterns into paths of pictures. */
export async function expandInputs(inputs: string[]): Promise<ExpandedInputs> {
  const paths = new Set<string>();
  const missing: ExpandedInputs["missing"] = [];
  for (const input of inputs) {
    const found = await expand(input);
    if (typeof found === "string") missing.push({ input, error: { code: "ERR_IMAGE_NOT_FOUND", message: found } });
    else for (const path of found) paths.add(path);
  }
  return { paths: [...paths], missing };
}

/** The paths of one argument, or a sentence that says why there are none. */
async function expand(input: string): Promise<string[] | string> {
  if (input === STDIN) return [input];
  const status = await stat(input).catch(() => undefined);
  // An existing file is taken as it is, even if its name looks like a pattern.
  if (status?.isDirectory()) {
    const found = await findPictures("**/*", input);
    if (found.length) return found.map((name) => join(input, name));
    return access(input, constants.R_OK | constants.X_OK).then(
      () => `The folder ${input} has no pictures.`,
      ({ code }) => `The folder ${input} cannot be read (${code}); check its permissions.`,
    );
  }
  if (status) return [input];
  const found = /[*?[{]/.test(input) ? await findPictures(asPattern(input)) : [];
  return found.length ? found : `There is no file, folder or match for ${input}.`;
}

/** On Windows the separator of folders is the escape character of patterns. */
function asPattern(input: string): string {
  return process.platform === "win32" ? convertPathToPattern(input).replaceAll(/\\([*?[\]{}!])/g, "$1") : input;
}
