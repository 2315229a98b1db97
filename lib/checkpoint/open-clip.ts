import { join } from "node:path";
import type { Checkpoint } from "./checkpoint.js";
import { fileSize, readTextIfPresent } from "./files.js";
import { invalidModel, quote } from "./invalid.js";
import { JsonObject } from "./json.js";
import { OPENAI_OPTIONS, openOpenAiCheckpoint } from "./openai.js";
import { readSafetensors } from "./weights/safetensors.js";
import type { WeightReader } from "./weights/sharded.js";
import { readTorchBin } from "./weights/torch-bin.js";

/** Name of open_clip's configuration file. */
export const OPEN_CLIP_CONFIG = "open_clip_config.json";

/** Names of open_clip's weights files, in the order in which open_clip looks for them. */
export const OPEN_CLIP_WEIGHTS: readonly { file: string; read: WeightReader }[] = [
  { file: "open_clip_model.safetensors", read: readSafetensors },
  { file: "open_clip_pytorch_model.bin", read: readTorchBin },
];

/** Options that are used here, that follow from the shapes of the weights, or that matter only in training. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  model_cfg: ["embed_dim", "quick_gelu", "vision_cfg", "text_cfg", "init_logit_scale"],
  vision_cfg: ["image_size", "layers", "width", "patch_size", "head_width", "mlp_ratio", "patch_dropout"],
  text_cfg: ["context_length", "vocab_size", "layers", "width", "heads", "mlp_ratio"],
};

/** Values of other options that have no effect. */
const HARMLESS: readonly unknown[] = [undefined, null, false];

/** open_clip's resize modes as fields of preprocessor_config.json. */
const RESIZE_MODES: Readonly<Record<string, (imageSize: number) => object>> = {
  shortest: () => ({}),
  squash: (imageSize) => ({ size: { height: imageSize, width: imageSize }, do_center_crop: false }),
};

/** Pillow's numbers of the resamplers. */
const RESAMPLE: Readonly<Record<string, number>> = { bilinear: 2, bicubic: 3 };

/** Whether a directory contains a model in open_clip's format. */
export async function isOpenClip(directory: string): Promise<boolean> {
  return (await fileSize(join(directory, OPEN_CLIP_CONFIG))) !== undefined;
}

/**
 * Reads a directory with a model in open_clip's format: a vision transformer and a causal text transformer with CLIP's
 * own tokenizer.
 * @throws ClipBlipError ERR_MODEL_INVALID for towers of another kind and for invalid files
 */
export async function openOpenClip(directory: string): Promise<Checkpoint> {
  const config = JsonObject.parse((await readTextIfPresent(join(directory, OPEN_CLIP_CONFIG)))!, OPEN_CLIP_CONFIG);
  const model = config.object("model_cfg") ?? config;
  const vision = model.object("vision_cfg") ?? new JsonObject({}, OPEN_CLIP_CONFIG);
  const text = model.object("text_cfg") ?? new JsonObject({}, OPEN_CLIP_CONFIG);
  for (const [part, json] of Object.entries({ model_cfg: model, vision_cfg: vision, text_cfg: text })) {
    assertKnown(json, KNOWN[part]!);
  }
  const { path, read } = await findWeights(directory);
  const options = {
    activation: model.boolean("quick_gelu", false) ? ("quick_gelu" as const) : ("gelu" as const),
    visionHeadWidth: vision.integer("head_width", { fallback: OPENAI_OPTIONS.visionHeadWidth, min: 1 }),
    textHeads: text.integer("heads", { fallback: 8, min: 1 }),
  };
  return openOpenAiCheckpoint(await read(path), path, options, (imageSize) =>
    preprocessor(config.object("preprocess_cfg") ?? new JsonObject({}, OPEN_CLIP_CONFIG), imageSize),
  );
}

async function findWeights(directory: string): Promise<{ path: string; read: WeightReader }> {
  for (const { file, read } of OPEN_CLIP_WEIGHTS) {
    const path = join(directory, file);
    if ((await fileSize(path)) !== undefined) return { path, read };
  }
  const names = OPEN_CLIP_WEIGHTS.map(({ file }) => file).join(", ");
  throw invalidModel(`${directory} has no weights: expected one of ${names}`);
}

function assertKnown(json: JsonObject, known: readonly string[]): void {
  for (const [key, value] of json.entries()) {
    if (known.includes(key) || HARMLESS.includes(value)) continue;
    throw invalidModel(
      `${json.where}: open_clip models with ${quote(key)} are not supported, only vision transformers with CLIP's text tower and tokenizer. Use the same model in the format of transformers`,
    );
  }
}

/** Fields of preprocessor_config.json. */
function preprocessor(json: JsonObject, imageSize: number): object {
  const choose = <Value>(key: string, fallback: string, choices: Readonly<Record<string, Value>>): Value => {
    const chosen = json.text(key, fallback);
    if (Object.hasOwn(choices, chosen)) return choices[chosen]!;
    throw json.wrong(key, `one of ${Object.keys(choices).join(", ")}`, chosen);
  };
  const channels = (key: string) => (json.raw(key) === undefined ? {} : { [`image_${key}`]: json.raw(key) });
  return {
    ...choose("resize_mode", "shortest", RESIZE_MODES)(imageSize),
    resample: choose("interpolation", "bicubic", RESAMPLE),
    ...channels("mean"),
    ...channels("std"),
  };
}
