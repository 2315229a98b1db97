import { type GenerationDefaults, readEarlyStopping } from "../description.js";
import { JsonObject } from "../json.js";
import { type PatchGrid, readPatchGrid, readTowerSizes, type TowerSizes } from "./tower.js";

/** Class defaults of transformers: BlipVisionConfig and BlipTextConfig. */
const DEFAULTS = {
  vision: { layers: 12, heads: 12, width: 768, hidden: 3072, epsilon: 1e-5, activation: "gelu" },
  grid: { imageSize: 384, patchSize: 16 },
  text: { layers: 12, heads: 8, width: 768, hidden: 3072, epsilon: 1e-12, activation: "gelu" },
  vocabulary: 30524,
  positions: 512,
  startTokenId: 30522,
  endTokenId: 102,
  padTokenId: 0,
};

/** The parts of config.json that every BLIP has. */
export interface BlipConfig {
  /** The text part of config.json. */
  textConfig: JsonObject;
  vision: TowerSizes;
  grid: PatchGrid;
  text: TowerSizes;
  vocabulary: number;
  positions: number;
  startTokenId: number;
  endTokenId: number;
  padTokenId: number;
  /** Sentences about possible problems; each says what to do. */
  warnings: string[];
}

/** @throws ClipBlipError ERR_MODEL_INVALID */
export function readBlipConfig(config: JsonObject): BlipConfig {
  const visionConfig = config.object("vision_config") ?? new JsonObject({}, `${config.where}: vision_config`);
  const textConfig = config.object("text_config") ?? new JsonObject({}, `${config.where}: text_config`);
  const text = readTowerSizes(textConfig, DEFAULTS.text);
  const vocabulary = textConfig.integer("vocab_size", { fallback: DEFAULTS.vocabulary, min: 1 });
  const token = (key: string, fallback: number) => textConfig.integer(key, { fallback, max: vocabulary - 1 });
  return {
    textConfig,
    vision: readTowerSizes(visionConfig, DEFAULTS.vision),
    grid: readPatchGrid(visionConfig, DEFAULTS.grid),
    text,
    vocabulary,
    positions: textConfig.integer("max_position_embeddings", { fallback: DEFAULTS.positions, min: 2 }),
    startTokenId: token("bos_token_id", DEFAULTS.startTokenId),
    endTokenId: token("sep_token_id", DEFAULTS.endTokenId),
    padTokenId: token("pad_token_id", DEFAULTS.padTokenId),
    warnings: headWarnings(text),
  };
}

/** Until April 2023, the published configurations lacked the number of heads, and the class default differs from it. */
function headWarnings({ width, heads }: TowerSizes): string[] {
  if (width !== 768 || heads !== 8) return [];
  return [
    "config.json gives BLIP's text decoder 8 attention heads at width 768. Every published BLIP has 12; with 8 its " +
      'captions are worse. Set "num_attention_heads": 12 in text_config, or download the checkpoint again, unless you ' +
      "trained it with 8.",
  ];
}

/**
 * The generation options of a checkpoint. Each comes from `generation_config.json`, otherwise from the text part of
 * `config.json` (older checkpoints), otherwise from the class default of transformers.
 * @throws ClipBlipError ERR_MODEL_INVALID for a value of a wrong type
 */
export function readGenerationDefaults(generation: JsonObject | undefined, textConfig: JsonObject): GenerationDefaults {
  const source = (key: string) => (generation?.raw(key) === undefined ? textConfig : generation);
  const [newTokens, leastNewTokens] = [source("max_new_tokens"), source("min_new_tokens")];
  return {
    maxLength: source("max_length").integer("max_length", { fallback: 20, min: 1 }),
    ...(newTokens.raw("max_new_tokens") === undefined
      ? {}
      : { maxNewTokens: newTokens.integer("max_new_tokens", { min: 1 }) }),
    minLength: source("min_length").integer("min_length", { fallback: 0 }),
    ...(leastNewTokens.raw("min_new_tokens") === undefined
      ? {}
      : { minNewTokens: leastNewTokens.integer("min_new_tokens") }),
    numBeams: source("num_beams").integer("num_beams", { fallback: 1, min: 1 }),
    numReturnSequences: source("num_return_sequences").integer("num_return_sequences", { fallback: 1, min: 1 }),
    repetitionPenalty: source("repetition_penalty").number("repetition_penalty", {
      fallback: 1,
      min: Number.MIN_VALUE,
    }),
    lengthPenalty: source("length_penalty").number("length_penalty", { fallback: 1 }),
    earlyStopping: readEarlyStopping(source("early_stopping"), "early_stopping", false),
    noRepeatNgramSize: source("no_repeat_ngram_size").integer("no_repeat_ngram_size", { fallback: 0 }),
    doSample: source("do_sample").boolean("do_sample", false),
    temperature: source("temperature").number("temperature", { fallback: 1, min: 0 }),
    topK: source("top_k").integer("top_k", { fallback: 50 }),
    topP: source("top_p").number("top_p", { fallback: 1, min: 0, max: 1 }),
  };
}

/** Keys of generation_config.json that change texts, are not supported, and the values with which they do nothing. */
const UNSUPPORTED: Readonly<Record<string, readonly unknown[]>> = {
  bad_words_ids: [],
  begin_suppress_tokens: [],
  constraints: [],
  diversity_penalty: [0],
  encoder_no_repeat_ngram_size: [0],
  encoder_repetition_penalty: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  exponential_decay_length_penalty: [],
  force_words_ids: [],
  forced_bos_token_id: [],
  forced_eos_token_id: [],
  guidance_scale: [1],
  min_p: [0],
  num_beam_groups: [1],
  penalty_alpha: [0],
  remove_invalid_values: [false],
  renormalize_logits: [false],
  sequence_bias: [],
  stop_strings: [],
  suppress_tokens: [],
  top_h: [],
  typical_p: [1],
  watermarking_config: [],
};

/** A sentence about the options of generation_config.json that are not applied; none if there are none. */
export function generationWarnings(generation: JsonObject | undefined): string[] {
  const ignored = Object.entries(UNSUPPORTED).flatMap(([key, neutral]) => {
    const value = generation?.raw(key);
    const isEmpty = Array.isArray(value) && value.length === 0;
    return value === undefined || isEmpty || neutral.includes(value) ? [] : [key];
  });
  if (ignored.length === 0) return [];
  return [
    `generation_config.json sets ${ignored.join(", ")}, which this package does not apply: texts can differ from what was intended. Remove them, or pass badWords and the like with the call.`,
  ];
}
