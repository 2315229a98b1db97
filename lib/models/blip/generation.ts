import { randomInt } from "node:crypto";
import type { BlipWriterDescription, GenerationDefaults } from "../../checkpoint/description.js";
import { ClipBlipError } from "../../common/errors.js";
import { invalidArgument } from "../../common/validate.js";
import type { GenerationResult, GenerationSettings, Prompt } from "../../native/types.js";
import type { BlipTokenizer } from "../../text/blip-tokenizer.js";
import { assertEffective, type GenerationOptions } from "./generation-options.js";

/** A text generated for a picture. */
export interface GeneratedText {
  /** The text without special tokens, prompt included. */
  text: string;
  /**
   * The ids that transformers' `generate` returns: start token, prompt, new tokens, and the end token if it was
   * reached.
   */
  tokenIds: number[];
  /**
   * Beam search: transformers' `sequences_scores`, the sum of the new tokens' log-probabilities divided by their number
   * to the power of `lengthPenalty`. Without beams: their mean log-probability, end token included, each in the
   * distribution that it was chosen from (after penalties, bans, temperature, `topK` and `topP`).
   */
  score: number;
}

/** How the texts of one call are generated. */
export interface GenerationPlan {
  native: GenerationSettings;
  /** Plans with the same key may share a batch. */
  key: string;
  /**
   * A prompt in the form that the addon takes.
   * @param ids start token first
   * @throws ClipBlipError ERR_TEXT_TOO_LONG if it leaves no room for a new token
   */
  prompt: (ids: number[]) => Prompt;
}

/** Upper bound of random seeds: the limit of `randomInt`. */
const SEEDS = 2 ** 48 - 1;

/**
 * Merges the options of a call, already checked one by one, with those of the checkpoint.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT for options that contradict each other
 */
export function planGeneration(
  options: GenerationOptions,
  description: BlipWriterDescription,
  tokenizer: BlipTokenizer,
): GenerationPlan {
  const defaults = description.generation;
  const native = nativeOptions(options, description, tokenizer);
  assertTogether(native);
  assertEffective(options, native);
  const { seed } = options;
  const { badWords, ...rest } = native;
  return {
    native,
    key: JSON.stringify([rest, badWords.map((ids) => [...ids])]),
    prompt: (ids) => ({
      ids: Int32Array.from(ids),
      ...lengths(options, defaults, ids.length, description.contextLength),
      seed: seed ?? (native.doSample ? randomInt(SEEDS) : 0),
    }),
  };
}

/**
 * The plan that memory is measured with: greedy search, one step with the longest prompt. It fills the caches as a
 * whole text would, without the time of generating one.
 */
export function samplePlan(
  description: BlipWriterDescription,
  tokenizer: BlipTokenizer,
): { plan: GenerationPlan; prompt: Prompt } {
  const plan = planGeneration({ numBeams: 1, numReturnSequences: 1, doSample: false }, description, tokenizer);
  const { startTokenId } = description;
  const { maxLength } = plan.prompt([startTokenId]);
  return { plan, prompt: plan.prompt(Array(maxLength - 1).fill(startTokenId)) };
}

/** Rows of the decoder for a picture: its beams, or its samples. */
export function decoderRows({ native: { numBeams, numReturnSequences } }: GenerationPlan): number {
  return numBeams > 1 ? numBeams : numReturnSequences;
}

/** The texts of each prompt, best first (samples: in the order drawn). */
export function generatedTexts(
  { sequences, scores }: GenerationResult,
  { native: { numReturnSequences } }: GenerationPlan,
  tokenizer: BlipTokenizer,
): GeneratedText[][] {
  const texts = sequences.map((sequence, index): GeneratedText => {
    const tokenIds = Array.from(sequence);
    return { text: tokenizer.decode(tokenIds), tokenIds, score: scores[index]! };
  });
  return Array.from({ length: texts.length / numReturnSequences }, (_, index) =>
    texts.slice(index * numReturnSequences, (index + 1) * numReturnSequences),
  );
}

function nativeOptions(
  options: GenerationOptions,
  { generation: defaults, endTokenId, padTokenId }: BlipWriterDescription,
  tokenizer: BlipTokenizer,
): GenerationSettings {
  const numBeams = options.numBeams ?? defaults.numBeams;
  const doSample = options.doSample ?? defaults.doSample;
  const common = {
    endTokenId,
    padTokenId,
    numBeams,
    doSample,
    numReturnSequences: options.numReturnSequences ?? defaults.numReturnSequences,
    repetitionPenalty: options.repetitionPenalty ?? defaults.repetitionPenalty,
    noRepeatNgramSize: options.noRepeatNgramSize ?? defaults.noRepeatNgramSize,
    badWords: (options.badWords ?? []).map((word, index) => badWordIds(word, index, tokenizer)),
  };
  // Options that do not apply get neutral values, so that calls that differ only in those share a batch.
  return {
    ...common,
    lengthPenalty: numBeams > 1 ? (options.lengthPenalty ?? defaults.lengthPenalty) : 1,
    earlyStopping: numBeams > 1 ? (options.earlyStopping ?? defaults.earlyStopping) : false,
    temperature: doSample ? (options.temperature ?? defaults.temperature) : 1,
    topK: doSample ? (options.topK ?? defaults.topK) : 0,
    topP: doSample ? (options.topP ?? defaults.topP) : 1,
  };
}

function assertTogether({ numBeams, numReturnSequences, doSample }: GenerationSettings): void {
  if (numReturnSequences === 1) return;
  if (numBeams === 1 && !doSample) {
    const expected = "1 (greedy search gives one text for each picture; for more, set doSample or raise numBeams)";
    throw invalidArgument("options.numReturnSequences", expected, numReturnSequences);
  }
  if (numBeams > 1 && numReturnSequences > numBeams) {
    throw invalidArgument("options.numReturnSequences", `at most numBeams (${numBeams})`, numReturnSequences);
  }
}

function badWordIds(word: string, index: number, tokenizer: BlipTokenizer): Int32Array {
  const ids = tokenizer.encodeWords(word);
  if (ids.length === 0) throw invalidArgument(`options.badWords[${index}]`, "a word", word);
  return Int32Array.from(ids);
}

/** Limits for the whole text, whichever way the call counts. */
function lengths(
  { maxLength, maxNewTokens, minLength, minNewTokens }: GenerationOptions,
  defaults: GenerationDefaults,
  promptLength: number,
  contextLength: number,
): Pick<Prompt, "maxLength" | "minLength"> {
  const longest =
    maxNewTokens === undefined
      ? (maxLength ?? Math.min(defaultLength(defaults, promptLength), contextLength))
      : promptLength + maxNewTokens;
  if (promptLength >= longest) throw promptTooLong(promptLength, `maxLength is ${longest}`, "raise maxLength");
  if (longest > contextLength) {
    const problem = `maxNewTokens is ${maxNewTokens}, but the model takes only ${contextLength} tokens in total`;
    throw promptTooLong(promptLength, problem, "lower maxNewTokens");
  }
  const leastNew = minNewTokens ?? (minLength === undefined ? defaults.minNewTokens : undefined);
  const shortest = leastNew === undefined ? (minLength ?? defaults.minLength) : promptLength + leastNew;
  // A minimum of the checkpoint gives way to the caller's maximum.
  if (shortest > longest && (minLength ?? minNewTokens) !== undefined) {
    throw new ClipBlipError(
      "ERR_INVALID_ARGUMENT",
      `The text has to have at least ${shortest} tokens, but it may have only ${longest}, prompt included: ` +
        "lower minLength or minNewTokens, or raise maxLength or maxNewTokens",
    );
  }
  return { maxLength: longest, minLength: shortest };
}

function defaultLength({ maxLength, maxNewTokens }: GenerationDefaults, promptLength: number): number {
  return maxNewTokens === undefined ? maxLength : promptLength + maxNewTokens;
}

function promptTooLong(tokens: number, problem: string, remedy: string): ClipBlipError {
  return new ClipBlipError(
    "ERR_TEXT_TOO_LONG",
    `The prompt has ${tokens} tokens, start token included, and ${problem}: shorten the prompt or ${remedy}`,
  );
}
