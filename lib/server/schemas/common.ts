import { type TSchema, Type } from "@fastify/type-provider-typebox";

/** An object that takes no other properties: an unknown name is a typing mistake, and is refused. */
export function exact<P extends Record<string, TSchema>>(properties: P, options: { description?: string } = {}) {
  return Type.Object(properties, { ...options, additionalProperties: false });
}

/** Whether embeddings have the length 1. */
export const normalizeProperty = Type.Optional(
  Type.Boolean({ description: "Scale each embedding to length 1, so that a dot product is a cosine. Default true." }),
);

/** What every answer but a success looks like. */
export const errorSchema = Type.Object(
  {
    error: Type.Object({
      code: Type.String({ description: 'Stable, such as "ERR_IMAGE_DECODE".' }),
      message: Type.String({ description: "A sentence that says what to do." }),
      index: Type.Optional(Type.Integer({ description: "Which item of the request is to blame." })),
    }),
  },
  { description: "A failure." },
);

/** Adds the failures that a route may answer with to its success. */
export function responses<S extends Record<number, TSchema>>(success: S, ...failures: number[]) {
  return { ...success, ...Object.fromEntries(failures.map((status) => [status, errorSchema])) } as S;
}

/** The failures of every route that works with a model. */
export const WORK_FAILURES = [400, 401, 413, 415, 422, 429, 500, 503];
