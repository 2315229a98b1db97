import { Type } from "@fastify/type-provider-typebox";
import type { Limits } from "../options.js";
import { exact, normalizeProperty } from "./common.js";
import { generationProperties, promptProperty } from "./generation.js";

/** The schemas of jobs under some limits. */
export function jobSchemas(limits: Limits) {
  const { jobImages, uriLength, textLength } = limits;
  const uri = Type.String({
    minLength: 1,
    maxLength: uriLength,
    description: "A file:, data: or, where the workers allow it, http(s): URL.",
  });
  const image = Type.Union([
    uri,
    exact({
      key: Type.Optional(
        Type.String({ minLength: 1, maxLength: 1024, description: "Names the picture's result; else the URI does." }),
      ),
      uri,
    }),
  ]);
  const images = Type.Array(image, { minItems: 1, maxItems: jobImages });
  return {
    request: exact({
      type: Type.Enum(["embeddings", "captions"]),
      images,
      options: Type.Optional(
        exact(
          { normalize: normalizeProperty, prompt: promptProperty(textLength), ...generationProperties(limits) },
          { description: "Of embeddings: normalize; of captions: all the others." },
        ),
      ),
    }),
    accepted: Type.Object({ id: Type.String() }),
    parameters: Type.Object({ id: Type.String({ minLength: 1, maxLength: 256 }) }),
    status: Type.Object({
      id: Type.String(),
      state: Type.Enum(["waiting", "active", "completed", "failed"]),
      progress: Type.Object({
        done: Type.Integer({ description: "Pictures with a result." }),
        failed: Type.Integer({ description: "Pictures that have none for good." }),
        total: Type.Integer(),
      }),
      results: Type.Optional(
        Type.Array(Type.Unknown(), {
          description:
            'Of a completed job: {"key"} with "embedding", "caption" or "error", in the order of the request.',
        }),
      ),
    }),
  };
}
