import type { FastifySchemaValidationError } from "fastify";
import { nearestName } from "../common/did-you-mean.js";
import { quote } from "../common/quote.js";

/** Maximum number of unknown names in a message. */
const MAX_NAMES = 5;

/**
 * The errors of a schema, as one sentence. The first error says what is wrong; the others mostly follow from it, like
 * those of the other members of a union.
 *
 * @param schema of the part; its nearest property is named beside one that it does not have
 */
export function validationError(errors: FastifySchemaValidationError[], part: string, schema?: unknown): Error {
  const { instancePath, message } = errors[0]!;
  const unknown = unknownProperties(errors);
  if (unknown === undefined) return new Error(`${placeOf(part, instancePath)} ${message}.`);
  const names = unknown.names.slice(0, MAX_NAMES).map(quote).join(", ");
  const more = unknown.names.length > MAX_NAMES ? ", …" : ".";
  return new Error(
    `${placeOf(part, unknown.path)} has unknown properties: ${names}${more}${advice(unknown.names, part, schema)}`,
  );
}

/** The property that the first unknown one was most likely meant to be, wherever its place is. */
function advice([name = ""]: string[], part: string, schema: unknown): string {
  const places = placesOf(schema, part);
  const nearest = nearestName(name, [...places.keys()]);
  return nearest === undefined ? "" : ` Did you mean ${places.get(nearest)}?`;
}

/** Every property in a schema, with the first place that it has. */
function placesOf(schema: unknown, place: string, places = new Map<string, string>()): Map<string, string> {
  if (typeof schema !== "object" || schema === null) return places;
  for (const [key, value] of Object.entries(schema)) {
    if (key === "properties") {
      const properties = Object.entries(value as object);
      for (const [name] of properties) if (!places.has(name)) places.set(name, `${place}.${name}`);
      for (const [name, inner] of properties) placesOf(inner, `${place}.${name}`, places);
    } else {
      placesOf(value, key === "items" ? `${place}[]` : place, places);
    }
  }
  return places;
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
