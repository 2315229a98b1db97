import { type TSchema, Type } from "@fastify/type-provider-typebox";
import type { GenerationOptions } from "../../models/blip/generation-options.js";
import type { Limits } from "../options.js";

/** Factors outside this range could make a score infinite or NaN, which JSON does not have. */
const FACTOR = { minimum: 0.01, maximum: 100 };

/**
 * The library's options of generation, with the types and ranges that hold for every model. The library checks what
 * depends on the model.
 */
export const generationProperties = ({ beams, badWords, textLength }: Limits) =>
  ({
    maxLength: Type.Optional(
      Type.Integer({
        minimum: 2,
        description: "Maximum number of tokens of a caption, including the start token and the prompt.",
      }),
    ),
    maxNewTokens: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: "Maximum number of new tokens, after the prompt; takes precedence over maxLength.",
      }),
    ),
    minLength: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: "Minimum number of tokens of a caption, including the start token and the prompt.",
      }),
    ),
    minNewTokens: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: "Minimum number of new tokens, after the prompt; takes precedence over minLength.",
      }),
    ),
    numBeams: Type.Optional(
      Type.Integer({ minimum: 1, maximum: beams, description: "Number of beams; 1 means no beam search." }),
    ),
    numReturnSequences: Type.Optional(
      Type.Integer({ minimum: 1, maximum: beams, description: "Number of captions for each picture." }),
    ),
    repetitionPenalty: Type.Optional(
      Type.Number({ ...FACTOR, description: "Divides the scores of tokens that already occur; 1 means no penalty." }),
    ),
    noRepeatNgramSize: Type.Optional(
      Type.Integer({ minimum: 0, description: "No sequence of this many tokens occurs twice; 0 means no limit." }),
    ),
    doSample: Type.Optional(
      Type.Boolean({ description: "Draw tokens by their probability instead of taking the best." }),
    ),
    lengthPenalty: Type.Optional(
      Type.Number({ minimum: -10, maximum: 10, description: "Beam search favors long captions above 0, short below." }),
    ),
    earlyStopping: Type.Optional(
      Type.Union([Type.Boolean(), Type.Literal("never")], {
        description: "When beam search ends, as in Hugging Face transformers.",
      }),
    ),
    badWords: Type.Optional(
      Type.Array(Type.String({ maxLength: textLength }), {
        maxItems: badWords,
        description: "Words and phrases that are never written.",
      }),
    ),
    temperature: Type.Optional(
      Type.Number({ ...FACTOR, description: "Sampling: divides the scores before tokens are drawn." }),
    ),
    topK: Type.Optional(
      Type.Integer({ minimum: 0, description: "Sampling: draw from this many best tokens only; 0 means all." }),
    ),
    topP: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 1,
        description: "Sampling: draw from the best tokens that together have this probability.",
      }),
    ),
    seed: Type.Optional(Type.Integer({ minimum: 0, description: "Sampling: the same seed gives the same caption." })),
  }) satisfies Record<keyof GenerationOptions, TSchema>;

/** The beginning of the caption, with at most `maxLength` characters. */
export const promptProperty = (maxLength: number) =>
  Type.Optional(Type.String({ maxLength, description: "Text that every caption begins with." }));
