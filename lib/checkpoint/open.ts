import type { Checkpoint } from "./checkpoint.js";
import { openCheckpoint } from "./directory.js";
import type { ModelLocation } from "./source.js";
import { openWeightsFile } from "./weights-file.js";

/**
 * Reads what is not an archive yet.
 * @throws ClipBlipError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID
 */
export async function openLocation({ kind, path }: ModelLocation): Promise<Checkpoint> {
  return kind === "weights" ? openWeightsFile(path) : openCheckpoint(path);
}
