import { type TSchema, Type } from "@fastify/type-provider-typebox";
import type { GenerationOptions } from "../../models/blip/generation-options.js";
import type { Limits } from "../options.js";

/** With factors beyond these a score is infinite, or no number, and JSON has neither. */
const FACTOR = { minimum: 0.01, maximum: 100 };

/**
 * The options of generation, one schema for each of the library's. Types and ranges that hold for every model; what
 * depends on the model, the library checks.
 */
export const generationProperties = ({ beams, badWords, textLength }: Limits) =>
  ({
    maxLength: Type.Optional(
      Type.Integer({
        minimum: 2,
        description: "Tokens of the whole caption at most, start token and prompt included.",
      }),
    ),
    maxNewTokens: Type.Optional(
      Type.Integer({ minimum: 1, description: "Tokens after the prompt at most; goes before maxLength." }),
    ),
    minLength: Type.Optional(
      Type.Integer({ minimum: 0, description: "The caption does not end before it has this many tokens." }),
    ),
    minNewTokens: Type.Optional(
      Type.Integer({ minimum: 0, description: "Tokens after the prompt before which the caption does not end." }),
    ),
    numBeams: Type.Optional(
      Type.Integer({ minimum: 1, maximum: beams, description: "Beams of beam search; 1 is greedy search." }),
    ),
    numReturnSequences: Type.Optional(
      Type.Integer({ minimum: 1, maximum: beams, description: "Captions for each picture." }),
    ),
    repetitionPenalty: Type.Optional(
      Type.Number({ ...FACTOR, description: "Divides the scores of tokens that occur already." }),
    ),
    noRepeatNgramSize: Type.Optional(
      Type.Integer({ minimum: 0, description: "Sequences of this many tokens do not occur twice; 0: no limit." }),
    ),
    doSample: Type.Optional(Type.Boolean({ description: "Draw tokens instead of taking the best." })),
    lengthPenalty: Type.Optional(
      Type.Number({ minimum: -10, maximum: 10, description: "Weighs the length of beams." }),
    ),
    earlyStopping: Type.Optional(
      Type.Union([Type.Boolean(), Type.Literal("never")], {
        description: "When beam search ends, as in transformers.",
      }),
    ),
    badWords: Type.Optional(
      Type.Array(Type.String({ maxLength: textLength }), {
        maxItems: badWords,
        description: "Words and phrases that are not written.",
      }),
    ),
    temperature: Type.Optional(Type.Number({ ...FACTOR, description: "Of sampling." })),
    topK: Type.Optional(
      Type.Integer({ minimum: 0, description: "Of sampling: the most probable tokens to draw from." }),
    ),
    topP: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: 1, description: "Of sampling: the probability to draw from." }),
    ),
    seed: Type.Optional(Type.Integer({ minimum: 0, description: "Of sampling: the same seed draws the same tokens." })),
  }) satisfies Record<keyof GenerationOptions, TSchema>;

/** The beginning of the caption, of a number of characters at most. */
export const promptProperty = (maxLength: number) =>
  Type.Optional(Type.String({ maxLength, description: "What every caption begins with." }));
