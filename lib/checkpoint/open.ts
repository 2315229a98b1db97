import type { Checkpoint } from "./checkpoint.js";
import { openCheckpoint } from "./directory.js";
import { OPENAI_OPTIONS, openOpenAiCheckpoint } from "./openai.js";
import { readSafetensors } from "./weights/safetensors.js";
import { readTorchBin } from "./weights/torch-bin.js";

/** Where a model's files are. */
export interface ModelLocation {
  /** An archive that this package wrote, a file of weights on its own, or a checkpoint directory. */
  kind: "archive" | "weights" | "directory";
  path: string;
}

/**
 * Reads what is not an archive yet.
 * @throws ClipBlipError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID
 */
export async function openLocation({ kind, path }: ModelLocation): Promise<Checkpoint> {
  return kind === "weights" ? openWeightsFile(path) : openCheckpoint(path);
}

/**
 * A file of weights on its own: a CLIP as OpenAI published it (`ViT-B-32.pt`, a TorchScript archive), or a state dict with
 * the same names. As in OpenAI's code, everything else about the model follows from the shapes of its weights.
 * @throws ClipBlipError ERR_MODEL_INVALID
 */
export async function openWeightsFile(path: string): Promise<Checkpoint> {
  const tensors = await (/\.safetensors$/i.test(path) ? readSafetensors(path) : readTorchBin(path));
  return openOpenAiCheckpoint(tensors, path, OPENAI_OPTIONS);
}
