import type { Schema } from "apache-arrow";
import type { ModelIdentity } from "./model.js";

type Arrow = typeof import("apache-arrow");

/** A file as it was when it was read. `path` is relative to the folder of the index, with "/" between its parts. */
export interface FileState {
  path: string;
  /** Bytes. */
  size: number;
  /** Time of the last change, in milliseconds since 1970. */
  modified: number;
}

/** A file with a vector in the index. */
export interface IndexedFile extends FileState {
  /** SHA-256 of the content, in hexadecimal. */
  hash: string;
}

/** A file that cannot be read as a picture; it is not tried again until it changes. */
export interface UnreadableFile extends FileState {
  code: string;
  message: string;
}

/** Version of the tables; others are refused. */
const FORMAT_VERSION = 1;

/** The key of the version and the model in the metadata of a table. */
const KEY = "clip-blip";

/** Files and their vectors; the metadata says which model made them. */
export function filesSchema(
  { Field, FixedSizeList, Float32, Float64, Schema, Utf8 }: Arrow,
  model: ModelIdentity,
): Schema {
  const item = new Field("item", new Float32(), true);
  return new Schema(
    [
      new Field("path", new Utf8()),
      new Field("size", new Float64()),
      new Field("modified", new Float64()),
      new Field("hash", new Utf8()),
      new Field("vector", new FixedSizeList(model.picture.length, item)),
    ],
    new Map([[KEY, serialize(model)]]),
  );
}

/** Files that cannot be read as pictures. */
export function unreadableSchema({ Field, Float64, Schema, Utf8 }: Arrow): Schema {
  return new Schema([
    new Field("path", new Utf8()),
    new Field("size", new Float64()),
    new Field("modified", new Float64()),
    new Field("code", new Utf8()),
    new Field("message", new Utf8()),
  ]);
}

/** The model that made a table of files; undefined if the table is not of this version. */
export function modelOf(schema: { metadata: Map<string, string> }): ModelIdentity | undefined {
  const text = schema.metadata.get(KEY);
  if (text === undefined) return undefined;
  const { formatVersion, model } = JSON.parse(text);
  if (formatVersion !== FORMAT_VERSION) return undefined;
  return { ...model, picture: Float32Array.from(model.picture) };
}

function serialize(model: ModelIdentity): string {
  return JSON.stringify({ formatVersion: FORMAT_VERSION, model: { ...model, picture: Array.from(model.picture) } });
}
