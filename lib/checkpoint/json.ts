import { invalidModel, quote } from "./invalid.js";

/** Bounds of a number, both inclusive. */
export interface Bounds {
  min?: number;
  max?: number;
}

/**
 * A JSON object from an untrusted file. Every getter checks the type and throws ERR_MODEL_INVALID with the file and the
 * key. If a key is absent or null, a getter returns the fallback, or throws if there is none.
 */
export class JsonObject {
  readonly #values: Record<string, unknown>;
  /** The file, and the path of keys to this object, for messages. */
  readonly where: string;

  constructor(values: unknown, where: string) {
    if (values === null || typeof values !== "object" || Array.isArray(values)) {
      throw invalidModel(`${where}: expected a JSON object`);
    }
    this.#values = values as Record<string, unknown>;
    this.where = where;
  }

  /** @throws ClipBlipError ERR_MODEL_INVALID if `text` is not a JSON object */
  static parse(text: string, where: string): JsonObject {
    let values: unknown;
    try {
      // Files written on Windows may start with a byte order mark.
      values = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
    } catch (cause) {
      throw invalidModel(`${where} is not valid JSON`, cause);
    }
    return new JsonObject(values, where);
  }

  /** The unchecked value; undefined if absent or null. Never reads the prototype. */
  raw(key: string): unknown {
    return Object.hasOwn(this.#values, key) ? (this.#values[key] ?? undefined) : undefined;
  }

  /** Whether the key exists, even if its value is null. */
  has(key: string): boolean {
    return Object.hasOwn(this.#values, key);
  }

  entries(): [string, unknown][] {
    return Object.entries(this.#values);
  }

  object(key: string): JsonObject | undefined {
    const value = this.raw(key);
    return value === undefined ? undefined : new JsonObject(value, `${this.where}: ${quote(key)}`);
  }

  integer(key: string, { fallback, min = 0, max = 2 ** 31 - 1 }: Bounds & { fallback?: number } = {}): number {
    const value = this.raw(key) ?? fallback;
    if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
      throw this.wrong(key, `a whole number from ${min} to ${max}`, value);
    }
    return value;
  }

  number(
    key: string,
    {
      fallback,
      min = Number.NEGATIVE_INFINITY,
      max = Number.POSITIVE_INFINITY,
    }: Bounds & {
      fallback?: number;
    } = {},
  ): number {
    const value = this.raw(key) ?? fallback;
    if (typeof value !== "number" || !Number.isFinite(value) || value < min || value > max) {
      throw this.wrong(key, `a number${rangeText(min, max)}`, value);
    }
    return value;
  }

  boolean(key: string, fallback?: boolean): boolean {
    const value = this.raw(key) ?? fallback;
    if (typeof value !== "boolean") throw this.wrong(key, "true or false", value);
    return value;
  }

  text(key: string, fallback?: string): string {
    const value = this.raw(key) ?? fallback;
    if (typeof value !== "string") throw this.wrong(key, "a string", value);
    return value;
  }

  /** A list of strings; empty if absent. */
  texts(key: string): string[] {
    const value = this.raw(key) ?? [];
    if (!Array.isArray(value) || value.some((item) => typeof item !== "string")) {
      throw this.wrong(key, "a list of strings", value);
    }
    return value;
  }

  /** The error for a key whose value is not `expected`. */
  wrong(key: string, expected: string, value: unknown): Error {
    const found = value === undefined ? "nothing" : quote(textOf(value));
    return invalidModel(`${this.where}: expected ${expected} for ${quote(key)} but found ${found}`);
  }
}

function rangeText(min: number, max: number): string {
  // Number.MIN_VALUE as a bound means above 0.
  const least = min === Number.MIN_VALUE ? " above 0" : min === Number.NEGATIVE_INFINITY ? "" : ` of at least ${min}`;
  const most = max === Number.POSITIVE_INFINITY ? "" : ` of at most ${max}`;
  return least && most ? `${least} and${most}` : least + most;
}

function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    // JSON.stringify overflows the stack on deep nesting that JSON.parse can read.
    return "a value that is nested too deeply";
  }
}
