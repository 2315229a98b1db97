import { type TSchema, Type } from "@fastify/type-provider-typebox";
import type { Limits } from "../options.js";
import { exact } from "./common.js";

/** The bodies of a route that takes pictures: JSON, or a form whose files are the pictures. */
export function pictureBodies<P extends Record<string, TSchema>>({ images }: Limits, properties: P) {
  const count = { minItems: 1, maxItems: images };
  const json = exact({
    images: Type.Array(
      Type.String({ minLength: 1, description: "A data: URL, base64 or, where that is allowed, an http(s): URL." }),
      count,
    ),
    ...properties,
  });
  const form = exact({
    images: Type.Array(Type.String({ format: "binary" }), { ...count, description: "Files, in fields of any name." }),
    ...properties,
  });
  return {
    form,
    /** For a route's `body`. */
    body: { content: { "application/json": { schema: json }, "multipart/form-data": { schema: form } } },
  };
}
