import type { FastifySchemaValidationError } from "fastify";

/**
 * What a schema found, as one sentence. The first finding tells what is wrong; those after it are mostly its echo, as
 * the members of a union that do not fit.
 */
export function validationError(errors: FastifySchemaValidationError[], part: string): Error {
  const { instancePath, keyword, message, params } =
    errors.find(({ keyword }) => keyword === "additionalProperties") ?? errors[0]!;
  const place = `${part}${instancePath.replaceAll("/", ".").replace(/\.(\d+)(?=\.|$)/g, "[$1]")}`;
  if (keyword === "additionalProperties") {
    const names = (params.additionalProperties as string[]).join(", ");
    return new Error(`${place} has unknown properties: ${names.slice(0, 200)}.`);
  }
  return new Error(`${place} ${message}.`);
}
