import { type GenerationDefaults, readEarlyStopping } from "./description.js";
import type { JsonObject } from "./json.js";

/**
 * The generation options of a checkpoint: each from `generation_config.json`; where it says nothing, from the text part
 * of `config.json`, where older checkpoints keep them; else the class default of transformers.
 * @throws ClipBlipError ERR_MODEL_INVALID for a value of a wrong type
 */
export function readGenerationDefaults(generation: JsonObject | undefined, textConfig: JsonObject): GenerationDefaults {
  const source = (key: string) => (generation?.raw(key) === undefined ? textConfig : generation);
  return {
    maxLength: source("max_length").integer("max_length", { fallback: 20, min: 1 }),
    minLength: source("min_length").integer("min_length", { fallback: 0 }),
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
