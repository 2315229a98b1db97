import type { Schema } from "apache-arrow";
import type { ModelIdentity } from "./identity.js";

type Arrow = typeof import("apache-arrow");

/** Version of the tables; others are refused. */
const FORMAT_VERSION = 1;

/** The key of the tables' metadata under which an index says what it is. */
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

/** Files that are no pictures. */
export function unreadableSchema({ Field, Float64, Schema, Utf8 }: Arrow): Schema {
  return new Schema([
    new Field("path", new Utf8()),
    new Field("size", new Float64()),
    new Field("modified", new Float64()),
    new Field("code", new Utf8()),
    new Field("message", new Utf8()),
  ]);
}

/** The model that made a table of files; undefined where it is none of this version. */
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
