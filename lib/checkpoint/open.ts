import type { Checkpoint } from "./checkpoint.js";
import { openCheckpoint } from "./directory.js";
import { OPENAI_OPTIONS, openOpenAiCheckpoint } from "./openai.js";
import { readSafetensors } from "./weights/safetensors.js";
import { readTorchBin } from "./weights/torch-bin.js";

/** Where a model's files are. */
export interface ModelLocation {
  /** An archive written by this package, a single weights file, or a checkpoint directory. */
  kind: "archive" | "weights" | "directory";
  path: string;
}

/**
 * Reads a weights file or a checkpoint directory.
 * @throws ClipBlipError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID
 */
export async function openLocation({ kind, path }: ModelLocation): Promise<Checkpoint> {
  return kind === "weights" ? openWeightsFile(path) : openCheckpoint(path);
}

/**
 * Reads a single weights file: a CLIP as published by OpenAI (`ViT-B-32.pt`, a TorchScript archive), or a state dict
 * with the same names. As in OpenAI's code, the rest of the model follows from the shapes of the weights.
 * @throws ClipBlipError ERR_MODEL_INVALID
 */
export async function openWeightsFile(path: string): Promise<Checkpoint> {
  const tensors = await (/\.safetensors$/i.test(path) ? readSafetensors(path) : readTorchBin(path));
  return openOpenAiCheckpoint(tensors, path, OPENAI_OPTIONS);
}
