import { type TSchema, Type } from "@fastify/type-provider-typebox";

/** An object without other properties: an unknown name is probably a typo, and is refused. */
export function exact<P extends Record<string, TSchema>>(properties: P, options: { description?: string } = {}) {
  return Type.Object(properties, { ...options, additionalProperties: false });
}

/** Whether embeddings are scaled to length 1. */
export const normalizeProperty = Type.Optional(
  Type.Boolean({ description: "Scale each embedding to length 1, so that a dot product is a cosine. Default true." }),
);

/** The body of every response that is not a success. */
const errorSchema = Type.Object(
  {
    error: Type.Object({
      code: Type.String({ description: 'A stable code, such as "ERR_IMAGE_DECODE".' }),
      message: Type.String({ description: "What is wrong, and what to do." }),
      index: Type.Optional(Type.Integer({ description: "Index of the item that caused the error." })),
    }),
  },
  { description: "An error." },
);

/** The responses of a route: its success, and the statuses of its errors. */
export function responses<S extends Record<number, TSchema>>(success: S, ...failures: number[]) {
  return { ...success, ...Object.fromEntries(failures.map((status) => [status, errorSchema])) } as S;
}

/** The error statuses of every route that uses a model. */
export const WORK_FAILURES = [400, 401, 413, 415, 422, 429, 500, 503];
