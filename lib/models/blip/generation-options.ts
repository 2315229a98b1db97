import { ClipBlipError } from "../../common/errors.js";
import { assertBoolean, assertInteger, assertNumber, assertStrings, invalidArgument } from "../../common/validate.js";

/**
 * Options of text generation. They mean the same as in Hugging Face transformers 5.17, and without sampling they give
 * the same token ids in float32. An option that is not set takes the checkpoint's value if it has one, otherwise the
 * default given here.
 * @example
 * ```ts
 * const captions = await blip.caption(images, { numBeams: 3, maxNewTokens: 30 });
 * const samples = await blip.caption(images, { doSample: true, topP: 0.9, numReturnSequences: 5, seed: 1 });
 * ```
 */
export interface GenerationOptions {
  /** Maximum number of tokens of the whole text, start token and prompt included. Default 20. */
  maxLength?: number | undefined;
  /** Maximum number of new tokens; takes precedence over `maxLength`. */
  maxNewTokens?: number | undefined;
  /** Minimum number of tokens of the whole text, start token and prompt included. Default 0. */
  minLength?: number | undefined;
  /** Minimum number of new tokens; takes precedence over `minLength`. */
  minNewTokens?: number | undefined;
  /** Number of beams in beam search; 1: no beam search. Default 1. */
  numBeams?: number | undefined;
  /**
   * In beam search, the score of a text is its log-probability divided by the number of new tokens to the power of
   * `lengthPenalty`: above 0 favours long texts, below 0 short ones. Default 1.
   */
  lengthPenalty?: number | undefined;
  /**
   * When beam search stops. true: as soon as there are `numBeams` complete texts; false: when transformers' heuristic
   * considers a better one unlikely; "never": when a better one is impossible. Default false.
   */
  earlyStopping?: boolean | "never" | undefined;
  /**
   * Number of texts for each picture: at most `numBeams` in beam search, any number when sampling, 1 in greedy search.
   * Default 1.
   */
  numReturnSequences?: number | undefined;
  /** The scores of tokens that already occur are divided by this if positive, multiplied if negative. Default 1. */
  repetitionPenalty?: number | undefined;
  /** No sequence of this many tokens occurs twice, the prompt included; 0: no restriction. Default 0. */
  noRepeatNgramSize?: number | undefined;
  /**
   * Words and phrases that must not occur, matched by their tokens: a word that the tokenizer splits is banned as that
   * sequence. Default none.
   */
  badWords?: string[] | undefined;
  /**
   * Sample tokens by their probability instead of taking the best one; with beams, sample their continuations. Default
   * false.
   */
  doSample?: boolean | undefined;
  /**
   * Sampling: scores are divided by this first. Default 1. This, `topK` and `topP` are refused without `doSample`, where
   * they would change nothing; so are `lengthPenalty` and `earlyStopping` without beams.
   */
  temperature?: number | undefined;
  /** Sampling: consider only this many of the most probable tokens; 0: all. Default 50. */
  topK?: number | undefined;
  /** Sampling: consider only the most probable tokens whose probabilities add up to this. Default 1. */
  topP?: number | undefined;
  /**
   * Sampling: with the same seed, a picture with the same prompt and options gets the same text on the same device,
   * whatever else runs at the time. Every picture of the call starts from this seed. Default: a random one for each
   * picture.
   */
  seed?: number | undefined;
}

/** Names of the generation options. */
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

/** Options that only some way of generating reads, and the values that change nothing in the others. */
const ONLY_SAMPLING = { temperature: 1, topK: 50, topP: 1 } as const;
const ONLY_BEAMS = { lengthPenalty: 1, earlyStopping: false } as const;

/**
 * Refuses options that would have no effect, of which transformers only warns.
 * @param mode what is known of the way of generating, with the checkpoint's defaults
 * @throws ClipBlipError ERR_INVALID_ARGUMENT
 */
export function assertEffective(
  options: GenerationOptions,
  { doSample, numBeams }: { doSample?: boolean; numBeams?: number },
): void {
  const refuse = (neutral: Partial<GenerationOptions>, remedy: string) => {
    for (const [name, value] of Object.entries(neutral)) {
      const given = options[name as keyof GenerationOptions];
      if (given === undefined || given === value) continue;
      throw new ClipBlipError(
        "ERR_INVALID_ARGUMENT",
        `options.${name} is ${given}, but it has no effect here: ${remedy}, or leave ${name} out`,
      );
    }
  };
  if (doSample === false) refuse(ONLY_SAMPLING, "set doSample: true");
  if (numBeams === 1) refuse(ONLY_BEAMS, "set numBeams to 2 or more");
}

/**
 * Checks each option on its own, and the lengths with each other.
 * @param contextLength maximum number of tokens that the model can write
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
  assertLengths(options);
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

/** Lengths that are counted alike; the others meet where the length of the prompt is known. */
function assertLengths({ maxLength, maxNewTokens, minLength, minNewTokens }: GenerationOptions): void {
  const unfeasible = (shortest: string, least: number, longest: string, most: number) =>
    new ClipBlipError(
      "ERR_INVALID_ARGUMENT",
      `options.${shortest} is ${least}, above options.${longest}, which is ${most}: lower it, or raise ${longest}`,
    );
  if (minNewTokens !== undefined && maxNewTokens !== undefined) {
    if (minNewTokens > maxNewTokens) throw unfeasible("minNewTokens", minNewTokens, "maxNewTokens", maxNewTokens);
  } else if (minNewTokens === undefined && maxNewTokens === undefined) {
    if ((minLength ?? 0) > (maxLength ?? Number.POSITIVE_INFINITY)) {
      throw unfeasible("minLength", minLength!, "maxLength", maxLength!);
    }
  }
}
