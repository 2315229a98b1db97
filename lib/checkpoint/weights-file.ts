import type { Checkpoint } from "./checkpoint.js";
import { openOpenAiCheckpoint } from "./openai-checkpoint.js";
import { OPENAI_OPTIONS } from "./openai-config.js";
import { readSafetensors } from "./safetensors.js";
import { readTorchBin } from "./torch-bin.js";

/**
 * A file of weights on its own: a CLIP as OpenAI published it (`ViT-B-32.pt`, a TorchScript archive), or a state dict with
 * the same names. As in OpenAI's code, everything else about the model follows from the shapes of its weights.
 * @throws ClipBlipError ERR_MODEL_INVALID
 */
export async function openWeightsFile(path: string): Promise<Checkpoint> {
  const tensors = await (/\.safetensors$/i.test(path) ? readSafetensors(path) : readTorchBin(path));
  return openOpenAiCheckpoint(tensors, path, OPENAI_OPTIONS);
}
