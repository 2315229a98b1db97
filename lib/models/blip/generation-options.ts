import { assertBoolean, assertInteger, assertNumber, assertStrings, invalidArgument } from "../../common/validate.js";

/**
 * Options of generation; they mean what they mean in Hugging Face transformers 5.17, and in float32 give the same token
 * ids where nothing is drawn by chance. Where a call and the checkpoint name none, the default is the one given here.
 */
export interface GenerationOptions {
  /** Tokens of the whole text at most, start token and prompt included. Default 20. */
  maxLength?: number;
  /** Tokens after the prompt at most; goes before `maxLength`. */
  maxNewTokens?: number;
  /** The text does not end before it has this many tokens, start token and prompt included. Default 0. */
  minLength?: number;
  /** Tokens after the prompt before which the text does not end; goes before `minLength`. */
  minNewTokens?: number;
  /** Beams of beam search; 1: no beam search. Default 1. */
  numBeams?: number;
  /**
   * In beam search the score of a text is its log-probability divided by the number of its new tokens to the power of
   * this: above 0 favours long texts, below 0 short ones. Default 1.
   */
  lengthPenalty?: number;
  /**
   * When beam search ends. true: when there are `numBeams` whole texts; false: when a better one is unlikely by the
   * heuristic of transformers; "never": when there can be none. Default false.
   */
  earlyStopping?: boolean | "never";
  /** Texts for each picture: at most `numBeams`, or any number of samples; 1 in greedy search. Default 1. */
  numReturnSequences?: number;
  /** Scores of tokens that occur already are divided by this (multiplied, where they are negative). Default 1. */
  repetitionPenalty?: number;
  /** Sequences of this many tokens do not occur twice, the prompt included; 0: no limit. Default 0. */
  noRepeatNgramSize?: number;
  /** Words and phrases that are not written. A word is one whole word or what the tokenizer makes of it. Default none. */
  badWords?: string[];
  /** Draw tokens by their probability instead of taking the best; with beams, draw what they go on with. Default false. */
  doSample?: boolean;
  /** Of sampling: scores are divided by this before tokens are drawn. Default 1. */
  temperature?: number;
  /** Of sampling: only this many of the best tokens are drawn from; 0: all. Default 50. */
  topK?: number;
  /** Of sampling: only the best tokens that have this probability together are drawn from. Default 1. */
  topP?: number;
  /**
   * Of sampling: the same seed draws the same text for the same picture, prompt and options on the same device, whatever
   * else is captioned at the time. Every picture of the call starts from it. Default: another one for each picture.
   */
  seed?: number;
}

/** Names of the options of generation. */
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

/** Beams and samples beyond this are a mistake: each takes memory of its own. */
const MOST_TEXTS = 1024;

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
    if (value !== undefined && value > MOST_TEXTS)
      throw invalidArgument(`options.${name}`, `at most ${MOST_TEXTS}`, value);
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
