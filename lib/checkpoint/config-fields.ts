import { ClipBlipError } from "../common/errors.js";

/** The fields of preprocessor_config.json, checked as they are read; null counts as left out, but for switches. */
export class ConfigFields {
  readonly #fields: Record<string, unknown>;

  /** @throws ERR_MODEL_INVALID for text that is no JSON object */
  constructor(text: string) {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw invalidConfig("is not valid JSON", cause);
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalidConfig("is not an object");
    this.#fields = value as Record<string, unknown>;
  }

  /** A switch; null is off. @throws ERR_MODEL_INVALID */
  boolean(name: string, byDefault: boolean): boolean {
    if (this.#fields[name] === null) return false;
    const value = this.#fields[name] ?? byDefault;
    if (typeof value !== "boolean") throw invalidConfig(`has a ${name} that is neither true nor false`);
    return value;
  }

  /** @throws ERR_MODEL_INVALID unless finite and above zero */
  positive(name: string, byDefault: number): number {
    const value = this.#fields[name] ?? byDefault;
    if (!isPositive(value)) throw invalidConfig(`has a ${name} that is no number above zero`);
    return value;
  }

  /** One of the keys of `values`, as the value that goes with it. @throws ERR_MODEL_INVALID */
  choice<T>(name: string, values: Record<string, T>, byDefault: number): T {
    const value = this.#fields[name] ?? byDefault;
    const found = typeof value === "number" && Object.hasOwn(values, value) ? values[value] : undefined;
    if (found === undefined) {
      throw invalidConfig(`has the ${name} ${JSON.stringify(value)}; supported are ${Object.keys(values).join(", ")}`);
    }
    return found;
  }

  /** Three numbers, or one for all three channels. @throws ERR_MODEL_INVALID */
  channels(name: string, byDefault: Channels): Channels {
    const value = this.#fields[name] ?? byDefault;
    const three = typeof value === "number" ? [value, value, value] : value;
    if (!Array.isArray(three) || three.length !== 3 || !three.every(Number.isFinite)) {
      throw invalidConfig(`has an ${name} that is not three numbers`);
    }
    return three as Channels;
  }

  /**
   * A size as any version of transformers wrote it: a number, [height, width], {height, width} or {shortest_edge}.
   *
   * @param square whether a lone number is both sides, or the shorter one
   * @throws ERR_MODEL_INVALID
   */
  size(name: string, byDefault: Size, square: boolean): Size {
    const value = this.#fields[name] ?? undefined;
    if (value === undefined) return byDefault;
    if (isSide(value)) return square ? { height: value, width: value } : { shortestEdge: value };
    if (Array.isArray(value) && value.length === 2) return this.#sides(name, value[0], value[1]);
    if (typeof value === "object" && !Array.isArray(value)) {
      const { shortest_edge, height, width, ...rest } = value as Record<string, unknown>;
      const others = Object.values(rest).some((other) => other !== null);
      if (!others && isSide(shortest_edge) && height == null && width == null) return { shortestEdge: shortest_edge };
      if (!others && shortest_edge == null) return this.#sides(name, height, width);
    }
    throw invalidConfig(`has a ${name} of an unknown form, ${JSON.stringify(value)}`);
  }

  /** The name of the Python class that wrote the file; "" where none is named. */
  processorType(): string {
    const value = this.#fields.image_processor_type ?? this.#fields.feature_extractor_type;
    return typeof value === "string" ? value : "";
  }

  #sides(name: string, height: unknown, width: unknown): { height: number; width: number } {
    if (!isSide(height) || !isSide(width)) throw invalidConfig(`has a ${name} whose sides are no whole numbers`);
    return { height, width };
  }
}

/** Red, green, blue. */
export type Channels = [number, number, number];

/** In pixels. */
export type Size = { height: number; width: number } | { shortestEdge: number };

/** An error about preprocessor_config.json; `what` completes the sentence. */
export function invalidConfig(what: string, cause?: unknown): ClipBlipError {
  return new ClipBlipError("ERR_MODEL_INVALID", `The model's preprocessor_config.json ${what}. Repair or replace it.`, {
    cause,
  });
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value > 0;
}

function isSide(value: unknown): value is number {
  return isPositive(value) && Number.isInteger(value) && value <= 65_536;
}
