import { assertBoolean, assertInteger, assertNumber, assertStrings, invalidArgument } from "../../common/validate.js";

/**
 * Options of text generation, with the meaning that they have in Hugging Face transformers 5.17. Without sampling, and in
 * float32, they give the same token ids. The call's value comes first, then the checkpoint's, then the default here.
 * @example
 * ```ts
 * await blip.caption(images, { numBeams: 5, maxNewTokens: 40, noRepeatNgramSize: 3 }); // beam search
 * await blip.caption(images, { doSample: true, topP: 0.9, numReturnSequences: 4, seed: 7 }); // sampling
 * ```
 */
export interface GenerationOptions {
  /** Maximum number of tokens of the whole text, with the start token and the prompt. Default 20. */
  maxLength?: number;
  /** Maximum number of new tokens, after the prompt; takes precedence over `maxLength`. */
  maxNewTokens?: number;
  /** Minimum number of tokens of the whole text, with the start token and the prompt. Default 0. */
  minLength?: number;
  /** Minimum number of new tokens, after the prompt; takes precedence over `minLength`. */
  minNewTokens?: number;
  /** Number of beams; 1 means no beam search. Default 1. */
  numBeams?: number;
  /**
   * Beam search scores a text by its log-probability divided by (number of new tokens) ** `lengthPenalty`. Above 0 it
   * favors long texts, below 0 short ones. Default 1.
   */
  lengthPenalty?: number;
  /**
   * When beam search ends. true: as soon as `numBeams` texts are complete. false: when a better one is unlikely, by the
   * heuristic of transformers. "never": when a better one is impossible. Default false.
   */
  earlyStopping?: boolean | "never";
  /** Number of texts for each picture: up to `numBeams` with beams, any number with sampling, else 1. Default 1. */
  numReturnSequences?: number;
  /** Divides the scores of tokens that already occur (multiplies negative ones); 1 means no penalty. Default 1. */
  repetitionPenalty?: number;
  /** No sequence of this many tokens occurs twice, counting the prompt; 0 means no limit. Default 0. */
  noRepeatNgramSize?: number;
  /** Words and phrases that are never written. Default: none. */
  badWords?: string[];
  /** Draw tokens by their probability instead of taking the best one; also within beams. Default false. */
  doSample?: boolean;
  /** Sampling: divides the scores before tokens are drawn. Default 1. */
  temperature?: number;
  /** Sampling: draw from this many best tokens only; 0 means all. Default 50. */
  topK?: number;
  /** Sampling: draw from the best tokens that together have this probability. Default 1. */
  topP?: number;
  /**
   * Sampling: the same seed gives the same text for the same picture, prompt and options on the same device, whatever
   * else is captioned at the time. Every picture of the call starts from it. Default: a new seed for each picture.
   */
  seed?: number;
}

/** Names of the options of text generation. */
export const GENERATION_OPTIONS = [
  "maxLength",
  "maxNewTokens",
  "minLength",
  "minNewTokens",
  "numBeams",
  "lengthPenalty",
  "earlyStopping",
  "numReturnSequences",
  "repetitionPenalty",
  "noRepeatNgramSize",
  "badWords",
  "doSample",
  "temperature",
  "topK",
  "topP",
  "seed",
] as const satisfies (keyof GenerationOptions)[];

/** More beams or samples than this are a mistake: each takes memory of its own. */
const MAX_TEXTS = 1024;

/**
 * Checks each option by itself. `contextLength`: tokens that the model can write.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT
 */
export function assertGenerationOptions(options: GenerationOptions, contextLength: number): void {
  for (const [name, least] of [
    ["maxLength", 2],
    ["maxNewTokens", 1],
  ] as const) {
    const value = options[name];
    assertInteger(value, `options.${name}`, least);
    if (value !== undefined && value > contextLength) {
      throw invalidArgument(`options.${name}`, `at most ${contextLength}, the model's context`, value);
    }
  }
  assertInteger(options.minLength, "options.minLength", 0);
  assertInteger(options.minNewTokens, "options.minNewTokens", 0);
  for (const name of ["numBeams", "numReturnSequences"] as const) {
    const value = options[name];
    assertInteger(value, `options.${name}`, 1);
    if (value !== undefined && value > MAX_TEXTS)
      throw invalidArgument(`options.${name}`, `at most ${MAX_TEXTS}`, value);
  }
  assertNumber(options.lengthPenalty, "options.lengthPenalty", -Number.MAX_VALUE, Number.MAX_VALUE);
  const { earlyStopping, badWords } = options;
  if (earlyStopping !== undefined && typeof earlyStopping !== "boolean" && earlyStopping !== "never") {
    throw invalidArgument("options.earlyStopping", 'true, false or "never"', earlyStopping);
  }
  assertNumber(options.repetitionPenalty, "options.repetitionPenalty", 0, Number.MAX_VALUE);
  assertInteger(options.noRepeatNgramSize, "options.noRepeatNgramSize", 0);
  if (badWords !== undefined) assertStrings(badWords, "options.badWords");
  assertBoolean(options.doSample, "options.doSample");
  assertNumber(options.temperature, "options.temperature", 0, Number.MAX_VALUE);
  assertInteger(options.topK, "options.topK", 0);
  assertNumber(options.topP, "options.topP", 0, 1);
  assertInteger(options.seed, "options.seed", 0);
}
