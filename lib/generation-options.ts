import { ClipBlipError } from "./errors.js";
import { assertBoolean, assertInteger, assertNumber, invalidArgument } from "./validate.js";

/** Options of generation; they mean what they mean in Hugging Face transformers. */
export interface GenerationOptions {
  /** Tokens of the whole caption at most, start token and prompt included. Default: the checkpoint's, else 20. */
  maxLength?: number;
  /** The caption does not end before it has this many tokens. Default: the checkpoint's, else 0. */
  minLength?: number;
  /** Beams of beam search. Only 1, greedy search, is there yet. Default 1. */
  numBeams?: number;
  /** Captions per picture. Only 1 is there yet. Default 1. */
  numReturnSequences?: number;
  /** Divides the scores of tokens that occur already. Only 1, no penalty, is there yet. Default 1. */
  repetitionPenalty?: number;
  /** Word sequences of this length do not occur twice. Only 0, no limit, is there yet. Default 0. */
  noRepeatNgramSize?: number;
  /** Draw tokens instead of taking the best. Only false is there yet. Default false. */
  doSample?: boolean;
  /** Weighs the length of beams; greedy search has none. Default 1. */
  lengthPenalty?: number;
  /** Of sampling; greedy search ignores it. Default 1. */
  temperature?: number;
  /** Of sampling; greedy search ignores it. Default 50. */
  topK?: number;
  /** Of sampling; greedy search ignores it. Default 1. */
  topP?: number;
  /** Of sampling; greedy search ignores it. */
  seed?: number;
}

/** Names of the options of generation. */
export const GENERATION_OPTIONS = [
  "maxLength",
  "minLength",
  "numBeams",
  "numReturnSequences",
  "repetitionPenalty",
  "noRepeatNgramSize",
  "doSample",
  "lengthPenalty",
  "temperature",
  "topK",
  "topP",
  "seed",
] as const satisfies (keyof GenerationOptions)[];

/** Options that would change the caption in a manner that is not there yet, and the value that changes nothing. */
const NEUTRAL = {
  numBeams: 1,
  numReturnSequences: 1,
  repetitionPenalty: 1,
  noRepeatNgramSize: 0,
  doSample: false,
} as const satisfies GenerationOptions;

/**
 * `contextLength`: tokens that the model can write.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT
 */
export function assertGenerationOptions(options: GenerationOptions, contextLength: number): void {
  assertInteger(options.maxLength, "options.maxLength", 2);
  if (options.maxLength !== undefined && options.maxLength > contextLength) {
    throw invalidArgument("options.maxLength", `at most ${contextLength}, the model's context`, options.maxLength);
  }
  assertInteger(options.minLength, "options.minLength", 0);
  assertInteger(options.numBeams, "options.numBeams", 1);
  assertInteger(options.numReturnSequences, "options.numReturnSequences", 1);
  assertNumber(options.repetitionPenalty, "options.repetitionPenalty", 0, Number.MAX_VALUE);
  assertInteger(options.noRepeatNgramSize, "options.noRepeatNgramSize", 0);
  assertBoolean(options.doSample, "options.doSample");
  assertNumber(options.lengthPenalty, "options.lengthPenalty", -Number.MAX_VALUE, Number.MAX_VALUE);
  assertNumber(options.temperature, "options.temperature", 0, Number.MAX_VALUE);
  assertInteger(options.topK, "options.topK", 0);
  assertNumber(options.topP, "options.topP", 0, 1);
  assertInteger(options.seed, "options.seed", 0);
  for (const [name, neutral] of Object.entries(NEUTRAL)) {
    const value = options[name as keyof typeof NEUTRAL];
    if (value === undefined || value === neutral) continue;
    throw new ClipBlipError(
      "ERR_INVALID_ARGUMENT",
      `options.${name} can only be ${neutral} yet: this version writes captions by greedy search`,
    );
  }
}
