import type { FastifySchemaValidationError } from "fastify";
import { quote } from "../common/quote.js";

/** Maximum number of unknown names in a message. */
const MAX_NAMES = 5;

/**
 * The errors of a schema, as one sentence. The first error says what is wrong; the others mostly follow from it, like
 * those of the other members of a union.
 */
export function validationError(errors: FastifySchemaValidationError[], part: string): Error {
  const { instancePath, message } = errors[0]!;
  const unknown = unknownProperties(errors);
  if (unknown === undefined) return new Error(`${placeOf(part, instancePath)} ${message}.`);
  const names = unknown.names.slice(0, MAX_NAMES).map(quote).join(", ");
  const more = unknown.names.length > MAX_NAMES ? ", …" : ".";
  return new Error(`${placeOf(part, unknown.path)} has unknown properties: ${names}${more}`);
}

/**
 * The properties of one object that its schema does not have. Each is an error of its own, followed by one error for
 * all of them; with many properties, the list of errors ends before that one.
 */
function unknownProperties(errors: FastifySchemaValidationError[]): { path: string; names: string[] } | undefined {
  const summary = errors.find(({ keyword }) => keyword === "additionalProperties");
  if (summary) return { path: summary.instancePath, names: summary.params.additionalProperties as string[] };
  const paths = errors.filter(({ keyword }) => keyword === "boolean").map(({ instancePath }) => instancePath);
  if (paths.length === 0) return undefined;
  const path = paths[0]!.slice(0, paths[0]!.lastIndexOf("/"));
  const names = paths.map((each) => each.slice(each.lastIndexOf("/") + 1));
  return { path, names: names.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~")) };
}

function placeOf(part: string, path: string): string {
  return part + path.replaceAll("/", ".").replace(/\.(\d+)(?=\.|$)/g, "[$1]");
}
