import { Type } from "@fastify/type-provider-typebox";
import type { Limits } from "../options.js";
import { exact, normalizeProperty } from "./common.js";
import { generationProperties, promptProperty } from "./generation.js";

/** The schemas of jobs, with their limits. */
export function jobSchemas(limits: Limits) {
  const { jobImages, uriLength, textLength } = limits;
  const uri = Type.String({
    minLength: 1,
    maxLength: uriLength,
    description: "A file:, data: or, if the workers allow it, http(s): URL.",
  });
  const image = Type.Union([
    uri,
    exact({
      key: Type.Optional(
        Type.String({ minLength: 1, maxLength: 1024, description: "Key of the picture's result. Default: the URI." }),
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
          { description: "normalize for embeddings, all others for captions." },
        ),
      ),
    }),
    accepted: Type.Object({ id: Type.String() }),
    parameters: Type.Object({ id: Type.String({ minLength: 1, maxLength: 256 }) }),
    status: Type.Object({
      id: Type.String(),
      state: Type.Enum(["waiting", "active", "completed", "failed"]),
      progress: Type.Object({
        done: Type.Integer({ description: "Number of pictures with a result." }),
        failed: Type.Integer({ description: "Number of pictures that failed." }),
        total: Type.Integer(),
      }),
      results: Type.Optional(
        Type.Array(Type.Unknown(), {
          description:
            'For a completed job: {"key"} with "embedding", "caption" or "error", in the order of the request.',
        }),
      ),
    }),
  };
}
