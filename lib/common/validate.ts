import { inspect } from "node:util";
import { nearestName } from "./did-you-mean.js";
import { ClipBlipError } from "./errors.js";
import { brief } from "./quote.js";

/** The sentence for a value of a wrong type or out of range: what was expected, and what came. */
export function invalidArgument(name: string, expected: string, actual: unknown): ClipBlipError {
  return new ClipBlipError("ERR_INVALID_ARGUMENT", `Expected ${expected} for ${name} but received ${shown(actual)}`);
}

/** A value on one line, cut where it is long. Nothing of the caller's is run for it: no getter, no `inspect` method. */
function shown(value: unknown): string {
  const line = inspect(value, { depth: 0, customInspect: false, maxStringLength: 60, maxArrayLength: 8 });
  return brief(line.replaceAll(/\s*\n\s*/g, " "));
}

/** An options object, or undefined. Unknown keys are refused, because they are typing mistakes; the nearest is named. */
export function assertOptions(value: unknown, name: string, known: readonly string[]): void {
  if (value === undefined) return;
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw invalidArgument(name, "an object", value);
  for (const key of readableKeys(value, name)) {
    if (known.includes(key)) continue;
    const nearest = nearestName(key, known);
    const options = known.length > 0 ? `the options are ${known.join(", ")}` : "there are no options";
    const advice = nearest === undefined ? options : `did you mean ${nearest}?`;
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", `Unknown option ${name}.${brief(key)}: ${advice}`);
  }
}

/** The keys of an object whose values can be read: a getter or a proxy may throw. */
function readableKeys(value: object, name: string): string[] {
  try {
    return Object.entries(value).map(([key]) => key);
  } catch (cause) {
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", `${name} has a value that cannot be read: see the cause`, {
      cause,
    });
  }
}

/** A list; what is in it is checked item by item. */
export function assertArray(value: unknown, name: string): asserts value is unknown[] {
  if (!Array.isArray(value)) throw invalidArgument(name, "an array", value);
}

/** A list of strings, each at its index. */
export function assertStrings(value: unknown, name: string): asserts value is string[] {
  assertArray(value, name);
  // An index loop, because forEach skips the holes of a sparse array.
  for (let index = 0; index < value.length; index++) {
    if (typeof value[index] !== "string")
      throw invalidArgument(`${name}[${index}]`, "a string", value[index]).at(index);
  }
}

export function assertBoolean(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== "boolean") throw invalidArgument(name, "a boolean", value);
}

/** A whole number of at least `least`, or undefined. */
export function assertInteger(value: unknown, name: string, least: number): void {
  if (value === undefined) return;
  if (!Number.isSafeInteger(value) || (value as number) < least) {
    throw invalidArgument(name, `a whole number of at least ${least}`, value);
  }
}

/** A number above `above` and at most `most`, or undefined. */
export function assertNumber(value: unknown, name: string, above: number, most: number): void {
  if (value === undefined) return;
  if (typeof value !== "number" || !(value > above && value <= most)) {
    throw invalidArgument(name, `a number above ${above} and at most ${most}`, value);
  }
}

/** One of some strings, or undefined. */
export function assertOneOf(value: unknown, name: string, allowed: readonly string[]): void {
  if (value !== undefined && !allowed.includes(value as string)) {
    throw invalidArgument(name, allowed.map((one) => `"${one}"`).join(", "), value);
  }
}

export function assertFunction(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== "function") throw invalidArgument(name, "a function", value);
}

export function assertSignal(value: unknown, name: string): void {
  if (value !== undefined && !(value instanceof AbortSignal)) throw invalidArgument(name, "an AbortSignal", value);
}

/** An iterable or an async iterable; a string is one, but never what was meant. */
export function assertIterable(value: unknown, name: string): void {
  const iterable = value as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined;
  if (typeof value === "string" || !(iterable?.[Symbol.iterator] || iterable?.[Symbol.asyncIterator])) {
    throw invalidArgument(name, "an iterable or an async iterable", value);
  }
}
