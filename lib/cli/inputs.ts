import { stat } from "node:fs/promises";
import { join } from "node:path";
import { convertPathToPattern } from "tinyglobby";
import type { ClipBlipError } from "../common/errors.js";
import { brief } from "../common/quote.js";
import { picturesBelow, picturesMatching } from "../input/find-pictures.js";
import { type Failure, failure, type Subject } from "./outcome.js";

/** The pictures that the arguments of a command name. */
export interface ExpandedInputs {
  /** Paths in the order of the arguments, each once. */
  paths: string[];
  /** The arguments that name nothing, and what below them cannot be read. */
  missing: (Subject & Failure)[];
}

/** The argument that stands for a picture on standard input. */
export const STDIN = "-";

/** Turns files, folders (with everything below them) and patterns into paths of pictures. */
export async function expandInputs(inputs: string[]): Promise<ExpandedInputs> {
  const paths = new Set<string>();
  const missing: ExpandedInputs["missing"] = [];
  for (const input of inputs) {
    const { found, failed } = await expand(input);
    for (const path of found) paths.add(path);
    missing.push(...failed);
  }
  return { paths: [...paths], missing };
}

/** What one argument names, and what it names but cannot be had. */
interface Expanded {
  found: string[];
  failed: (Subject & Failure)[];
}

async function expand(input: string): Promise<Expanded> {
  if (input === STDIN) return { found: [input], failed: [] };
  let isFolder: boolean;
  try {
    isFolder = (await stat(input)).isDirectory();
  } catch (error) {
    return expandPattern(input, (error as NodeJS.ErrnoException).code);
  }
  // An existing file is taken as it is, even if its name looks like a pattern.
  if (!isFolder) return { found: [input], failed: [] };
  const { paths, lost } = await picturesBelow(input);
  const failed = lost.map(({ path, error }): Subject & Failure =>
    path === "." ? { input, ...failure(atFolder(error, input)) } : { input: join(input, path), ...failure(error) },
  );
  if (paths.length + failed.length === 0) failed.push(notFound(input, `The folder ${brief(input)} has no pictures.`));
  return { found: paths.map((name) => join(input, name)), failed };
}

/** Of a folder that was named itself, the sentence says which. */
function atFolder({ code, message }: ClipBlipError, folder: string): Pick<ClipBlipError, "code" | "message"> {
  return { code, message: message.replace("folder", () => `folder ${brief(folder)}`) };
}

async function expandPattern(input: string, code: string | undefined): Promise<Expanded> {
  if (/[*?[{]/.test(input)) {
    const { paths, lost } = await picturesMatching(asPattern(input));
    const failed = lost.map(({ path, error }): Subject & Failure => ({ input: path, ...failure(error) }));
    if (paths.length + failed.length > 0) return { found: paths, failed };
  }
  const name = brief(input);
  if (code === "ENOENT" || code === "ENOTDIR") {
    return { found: [], failed: [notFound(input, `There is no file, folder or match for ${name}.`)] };
  }
  const message = `${name} cannot be read (${code}); check its permissions.`;
  return { found: [], failed: [{ input, error: { code: "ERR_IMAGE_DECODE", message } }] };
}

function notFound(input: string, message: string): Subject & Failure {
  return { input, error: { code: "ERR_IMAGE_NOT_FOUND", message } };
}

/** On Windows the separator of folders is the escape character of patterns. */
function asPattern(input: string): string {
  return process.platform === "win32" ? convertPathToPattern(input).replaceAll(/\\([*?[\]{}!])/g, "$1") : input;
}
