import { ClipBlipError } from "../common/errors.js";
import { assertInteger, assertOneOf, assertOptions, invalidArgument } from "../common/validate.js";
import { pictureTextKind } from "../input/picture-text.js";
import type { Limits } from "./options.js";

/** What a request to /v1/embeddings asks for. */
export interface EmbeddingsRequest {
  /** In the order of the request. */
  inputs: EmbeddingInput[];
  base64: boolean;
  dimensions?: number;
}

/** A text, or a picture as the other routes take it: a data: URL, base64 or an http(s): URL. */
export type EmbeddingInput = { text: string } | { picture: string };

type Modality = "text" | "image";

/** OpenAI's own, `messages` of vLLM and `modality` of infinity. */
const BODY = ["input", "messages", "model", "encoding_format", "dimensions", "user", "modality"];

/** The properties of a typed input; the values are kinds of it. */
const CONTENTS = { text: "text", image_url: "image", image: "image" } as const satisfies Record<string, Modality>;

/** The values of `type`, and the property that each announces. */
const TYPES: Record<string, keyof typeof CONTENTS> = {
  text: "text",
  input_text: "text",
  image_url: "image_url",
  input_image: "image_url",
  image: "image",
};

/**
 * Reads the body of /v1/embeddings. What a schema would say about the members of a union helps nobody, so the shapes of
 * an input are told apart here.
 *
 * @throws ClipBlipError ERR_INVALID_ARGUMENT with the index of the input
 */
export function parseEmbeddingsRequest(body: unknown, limits: Limits): EmbeddingsRequest {
  if (body === undefined || body === null) throw wrong('The body is empty: send {"input": …}');
  assertOptions(body, "body", BODY);
  const { input, messages, model, encoding_format, dimensions, user, modality } = body as Record<string, unknown>;
  for (const [name, value] of Object.entries({ model, user })) {
    if (value !== undefined && value !== null && typeof value !== "string") {
      throw invalidArgument(`body.${name}`, "a string", value);
    }
  }
  assertOneOf(encoding_format, "body.encoding_format", ["float", "base64"]);
  assertInteger(dimensions, "body.dimensions", 1);
  const wanted = modalityOf(modality);
  if ((input === undefined) === (messages === undefined)) {
    throw wrong(
      input === undefined ? "body.input is missing" : "The body has both input and messages: send one of them",
    );
  }
  const inputs = input === undefined ? [conversation(messages, wanted)] : parseInputs(input, wanted);
  assertLimits(inputs, limits);
  return {
    inputs,
    base64: encoding_format === "base64",
    ...(dimensions === undefined ? {} : { dimensions: dimensions as number }),
  };
}

function modalityOf(modality: unknown): Modality | undefined {
  if (modality === "audio" || modality === "video") {
    throw wrong(
      `body.modality is "${modality}", but a CLIP model embeds only texts and pictures: send "text" or "image"`,
    );
  }
  assertOneOf(modality, "body.modality", ["text", "image"]);
  return modality as Modality | undefined;
}

function parseInputs(input: unknown, modality: Modality | undefined): EmbeddingInput[] {
  if (!Array.isArray(input)) return [parseInput(input, "body.input", modality)];
  if (input.length === 0) throw invalidArgument("body.input", "at least one text or picture", input);
  return input.map((item, index) => {
    try {
      return parseInput(item, `body.input[${index}]`, modality);
    } catch (error) {
      throw error instanceof ClipBlipError ? error.at(index) : error;
    }
  });
}

function parseInput(item: unknown, name: string, modality: Modality | undefined): EmbeddingInput {
  if (typeof item === "string") return parseString(item, name, modality);
  if (typeof item === "number" || (Array.isArray(item) && typeof item[0] === "number")) {
    throw wrong(`${name} has token ids, which belong to another model: send the text itself`);
  }
  if (Array.isArray(item)) return onlyPart(item, name, modality);
  return parsePart(item, name, modality);
}

function parseString(text: string, name: string, modality: Modality | undefined): EmbeddingInput {
  if (modality === "image") return { picture: text };
  if (modality === "text") return { text };
  const kind = pictureTextKind(text);
  // A data: URL of a picture can be meant in one way only, and clients of texts have no other way to send one.
  if (kind === "data") return { picture: text };
  if (kind === undefined) return { text };
  const what = kind === "url" ? "is the URL of a picture" : "is a picture in base64";
  throw wrong(
    `${name} ${what}: send it as {"type": "image_url", "image_url": {"url": …}}, with "modality": "image" beside input, ` +
      'or, if it is meant as words, as {"type": "text", "text": …}',
  );
}

/** A text or a picture as a part of OpenAI's messages, or as {text} or {image}. */
function parsePart(part: unknown, name: string, modality: Modality | undefined): EmbeddingInput {
  if (typeof part !== "object" || part === null) {
    throw invalidArgument(name, 'a text, {type: "text", text} or {type: "image_url", image_url: {url}}', part);
  }
  const { type } = part as { type?: unknown };
  if (typeof type === "string" && /audio|video/i.test(type)) {
    throw wrong(`${name} is of type "${type.slice(0, 20)}", but a CLIP model embeds only texts and pictures`);
  }
  assertOptions(part, name, ["type", ...Object.keys(CONTENTS)]);
  if (type !== undefined) assertOneOf(type, `${name}.type`, Object.keys(TYPES));
  const given = Object.entries(part).filter(([key, value]) => key !== "type" && value !== undefined);
  const expected = type === undefined ? undefined : TYPES[type as string];
  if (given.length !== 1 || (expected !== undefined && given[0]![0] !== expected)) {
    throw wrong(
      `${name} must have ${expected ?? "one of text, image_url and image"}, and nothing else beside its type`,
    );
  }
  const [key, value] = given[0] as [keyof typeof CONTENTS, unknown];
  if (modality !== undefined && CONTENTS[key] !== modality) {
    throw wrong(`${name} has ${key}, but body.modality is "${modality}": leave body.modality out for a mixed list`);
  }
  if (key === "image_url") return { picture: urlOf(value, `${name}.image_url`) };
  if (typeof value !== "string") throw invalidArgument(`${name}.${key}`, "a string", value);
  return key === "text" ? { text: value } : { picture: value };
}

function urlOf(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) throw invalidArgument(name, "a URL, or {url}", value);
  // OpenAI's `detail` says how closely its own models look.
  assertOptions(value, name, ["url", "detail"]);
  const { url } = value as { url?: unknown };
  if (typeof url !== "string") throw invalidArgument(`${name}.url`, "a string", url);
  return url;
}

/** The one input of a conversation, which becomes one embedding. */
function conversation(messages: unknown, modality: Modality | undefined): EmbeddingInput {
  if (!Array.isArray(messages)) throw invalidArgument("body.messages", "an array", messages);
  const parts = messages.flatMap((message: unknown, index) => {
    const name = `body.messages[${index}]`;
    if (typeof message !== "object" || message === null) throw invalidArgument(name, "{role, content}", message);
    assertOptions(message, name, ["role", "content"]);
    const { content } = message as { content?: unknown };
    return Array.isArray(content) ? content : [content];
  });
  return onlyPart(parts, "body.messages", modality);
}

function onlyPart(parts: unknown[], name: string, modality: Modality | undefined): EmbeddingInput {
  const [part] = parts;
  if (parts.length === 1) {
    return typeof part === "string" ? parseString(part, name, modality) : parsePart(part, name, modality);
  }
  throw wrong(
    `${name} has ${parts.length} parts, but CLIP embeds one text or one picture at a time: send them as items of input`,
  );
}

function assertLimits(inputs: EmbeddingInput[], { texts, images, textLength }: Limits): void {
  const pictures = inputs.filter((input) => "picture" in input).length;
  if (pictures > images) throw wrong(`There are more than ${images} pictures: send several requests`);
  if (inputs.length - pictures > texts) throw wrong(`body.input has more than ${texts} texts: send several requests`);
  const tooLong = inputs.findIndex((input) => "text" in input && input.text.length > textLength);
  if (tooLong >= 0) throw wrong(`A text has more than ${textLength} characters: shorten it`).at(tooLong);
}

function wrong(message: string): ClipBlipError {
  return new ClipBlipError("ERR_INVALID_ARGUMENT", message);
}
