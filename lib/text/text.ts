import { toUSVString } from "node:util";
import { ClipBlipError } from "../errors.js";

/**
 * A text that tokenizers can take: checked to be a string, lone surrogates replaced by U+FFFD (Python refuses them).
 *
 * @param name what the caller knows the value as, such as `texts[3]`
 * @throws ERR_INVALID_ARGUMENT for anything but a string
 */
export function normaliseText(value: unknown, name = "text"): string {
  assertText(value, name);
  return toUSVString(value);
}

/** @throws ERR_INVALID_ARGUMENT for anything but a string */
export function assertText(value: unknown, name = "text"): asserts value is string {
  if (typeof value === "string") return;
  const kind = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  throw new ClipBlipError("ERR_INVALID_ARGUMENT", `${name} is ${kind}; give a string.`);
}
