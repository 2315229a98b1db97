import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's folder. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Path of a file of the repository. */
export const repositoryPath = (...parts) => join(ROOT, ...parts);
