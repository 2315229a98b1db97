import type { ModelDtype } from "../native/types.js";
import { invalidModel } from "./invalid.js";
import { JsonObject } from "./json.js";

/** Format of `clip-blip.json`; other versions are rejected. */
const FORMAT_VERSION = 1;

/** Generation options for calls that do not set them; they mean the same as in Hugging Face transformers. */
export interface GenerationDefaults {
  /** Maximum number of tokens of the whole sequence, prompt and start token included. */
  maxLength: number;
  /** Maximum number of tokens after the prompt; takes precedence over `maxLength`. */
  maxNewTokens?: number;
  minLength: number;
  /** Takes precedence over `minLength`. */
  minNewTokens?: number;
  numBeams: number;
  numReturnSequences: number;
  repetitionPenalty: number;
  lengthPenalty: number;
  earlyStopping: boolean | "never";
  noRepeatNgramSize: number;
  doSample: boolean;
  temperature: number;
  /** 0: no limit. */
  topK: number;
  topP: number;
}

/** Fields of a model that reads pictures. */
export interface ImageFields {
  /** Side of the image tower's square input, in pixels. */
  imageSize: number;
}

/** Fields of a model that reads or writes texts. */
export interface TextFields {
  /** Maximum number of tokens of a text, start and end token included. */
  contextLength: number;
  /** Token ids are below this. */
  vocabularySize: number;
  /** Last token of every text: CLIP pools at it, BLIP stops at it. */
  endTokenId: number;
  /** Pads shorter rows; only SigLIP reads the padding. */
  padTokenId: number;
}

interface CommonFields {
  formatVersion: 1;
  /** Dtype that the weights are stored in. */
  weightsDtype: ModelDtype | "float64";
}

/** CLIP and SigLIP: one tower or both. */
export interface ClipDescription extends CommonFields, Partial<ImageFields>, Partial<TextFields> {
  architecture: "clip" | "siglip";
  /** First token of every text; SigLIP has none. */
  startTokenId?: number;
  /** Side of a patch in pixels; present with an image tower. */
  patchSize?: number;
  /** Length of an embedding. */
  dimension: number;
  /** Factor that turns cosines into logits (100 for OpenAI's models); present with both towers. */
  logitScale?: number;
  /** SigLIP: added after the multiplication. */
  logitBias?: number;
}

/** The task that a BLIP model was trained for. */
export type BlipTask = "captioning" | "question-answering" | "image-text-matching";

/** Fields of a BLIP that writes texts. */
export interface WriterFields {
  generation: GenerationDefaults;
}

interface BlipFields extends CommonFields, ImageFields, TextFields {
  architecture: "blip";
  /** First token of every text that it writes. */
  startTokenId: number;
}

/** A BLIP that writes captions or answers. */
export interface BlipWriterDescription extends BlipFields, WriterFields {
  task: Exclude<BlipTask, "image-text-matching">;
}

/** A BLIP that scores whether texts describe pictures. */
export interface BlipMatcherDescription extends BlipFields {
  task: "image-text-matching";
}

export type BlipDescription = BlipWriterDescription | BlipMatcherDescription;

/** The description of a model, stored in an archive as `clip-blip.json`. */
export type ModelDescription = ClipDescription | BlipDescription;

/** The fields of the text tower; undefined for a model without one. */
export function textFields(description: ModelDescription): TextFields | undefined {
  return description.contextLength === undefined ? undefined : (description as TextFields);
}

/**
 * Reads `clip-blip.json`. Unknown fields are ignored.
 * @throws ClipBlipError ERR_MODEL_INVALID for another format version and for missing or invalid fields
 */
export function parseDescription(text: string): ModelDescription {
  const json = JsonObject.parse(text, "clip-blip.json");
  const version = json.raw("formatVersion");
  if (version !== FORMAT_VERSION) {
    throw invalidModel(
      `The archive has format version ${JSON.stringify(version)}, but this package reads version ${FORMAT_VERSION}: export the checkpoint again`,
    );
  }
  const architecture = oneOf(json, "architecture", ["clip", "siglip", "blip"] as const);
  const common = {
    formatVersion: FORMAT_VERSION as 1,
    weightsDtype: oneOf(json, "weightsDtype", ["float32", "bfloat16", "float16", "float64"] as const),
  };
  if (architecture !== "blip") return { ...common, ...parseClip(json, architecture) };
  const task = oneOf(json, "task", ["captioning", "question-answering", "image-text-matching"] as const);
  const fields = {
    ...common,
    architecture,
    ...parseImageFields(json),
    ...parseTextFields(json),
    startTokenId: parseStartToken(json),
  };
  if (task === "image-text-matching") return { ...fields, task };
  const generation = json.object("generation");
  if (generation === undefined) throw json.wrong("generation", "an object", undefined);
  return {
    ...fields,
    task,
    generation: parseGeneration(generation),
  };
}

const IMAGE_KEYS = ["imageSize", "patchSize"];
const TEXT_KEYS = ["contextLength", "vocabularySize", "endTokenId", "padTokenId"];

/** If a tower is missing, so are its fields. */
function parseClip(
  json: JsonObject,
  architecture: ClipDescription["architecture"],
): Omit<ClipDescription, keyof CommonFields> {
  const hasAny = (keys: string[]) => keys.some((key) => json.raw(key) !== undefined);
  const readsText = hasAny(TEXT_KEYS);
  const readsImages = hasAny(IMAGE_KEYS) || !readsText;
  return {
    architecture,
    ...(readsImages ? { ...parseImageFields(json), patchSize: json.integer("patchSize", { min: 1 }) } : {}),
    ...(readsText ? parseTextFields(json) : {}),
    ...(readsText && architecture === "clip" ? { startTokenId: parseStartToken(json) } : {}),
    dimension: json.integer("dimension", { min: 1 }),
    ...(readsImages && readsText ? { logitScale: json.number("logitScale", { min: 0 }) } : {}),
    ...(readsImages && readsText && architecture === "siglip" ? { logitBias: json.number("logitBias") } : {}),
  };
}

function parseImageFields(json: JsonObject): ImageFields {
  return { imageSize: json.integer("imageSize", { min: 1, max: 1 << 16 }) };
}

function parseStartToken(json: JsonObject): number {
  return json.integer("startTokenId", { max: json.integer("vocabularySize", { min: 1 }) - 1 });
}

function parseTextFields(json: JsonObject): TextFields {
  const vocabularySize = json.integer("vocabularySize", { min: 1 });
  const token = (key: string) => json.integer(key, { max: vocabularySize - 1 });
  return {
    contextLength: json.integer("contextLength", { min: 2 }),
    vocabularySize,
    endTokenId: token("endTokenId"),
    padTokenId: token("padTokenId"),
  };
}

function parseGeneration(json: JsonObject): GenerationDefaults {
  return {
    maxLength: json.integer("maxLength", { min: 1 }),
    ...(json.raw("maxNewTokens") === undefined ? {} : { maxNewTokens: json.integer("maxNewTokens", { min: 1 }) }),
    minLength: json.integer("minLength"),
    ...(json.raw("minNewTokens") === undefined ? {} : { minNewTokens: json.integer("minNewTokens") }),
    numBeams: json.integer("numBeams", { min: 1 }),
    numReturnSequences: json.integer("numReturnSequences", { min: 1 }),
    repetitionPenalty: json.number("repetitionPenalty", { min: Number.MIN_VALUE }),
    lengthPenalty: json.number("lengthPenalty"),
    earlyStopping: readEarlyStopping(json, "earlyStopping"),
    noRepeatNgramSize: json.integer("noRepeatNgramSize"),
    doSample: json.boolean("doSample"),
    temperature: json.number("temperature", { min: 0 }),
    topK: json.integer("topK"),
    topP: json.number("topP", { min: 0, max: 1 }),
  };
}

/** @throws ClipBlipError ERR_MODEL_INVALID unless the value is true, false or "never" */
export function readEarlyStopping(json: JsonObject, key: string, fallback?: boolean): boolean | "never" {
  return json.raw(key) === "never" ? "never" : json.boolean(key, fallback);
}

function oneOf<const Choice extends string>(json: JsonObject, key: string, choices: readonly Choice[]): Choice {
  const value = json.text(key);
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw json.wrong(key, `one of ${choices.join(", ")}`, value);
  return found;
}
