import { keyOf, type Outcome } from "../outcome.js";
import type { RecordFormat } from "./writer.js";

/** Captions as CSV (RFC 4180, with plain line feeds): `input,caption,error`. */
export const csv: RecordFormat<{ caption: string }> = {
  name: "CSV",
  header: "input,caption,error\n",
  footer: "",
  encode: (outcome: Outcome<{ caption: string }>) => {
    const input = "input" in outcome ? outcome.input : outcome.text;
    const [caption, error] =
      "error" in outcome ? ["", `${outcome.error.code}: ${outcome.error.message}`] : [outcome.caption, ""];
    return `${[input, caption, error].map(quoted).join(",")}\n`;
  },
  decode: (record) => {
    const fields = fieldsOf(record);
    return fields?.length === 3 ? { key: keyOf({ input: fields[0]! }), failed: fields[2] !== "" } : undefined;
  },
  // A line break inside quotes does not end a record.
  isWhole: (lines) => lines.split('"').length % 2 === 1,
};

function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

/** The fields of one record; undefined where it is not one. */
function fieldsOf(record: string): string[] | undefined {
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n)/y;
  while (field.lastIndex < record.length) {
    const match = field.exec(record);
    if (!match) return undefined;
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
    if (match[3] !== ",") return field.lastIndex === record.length ? fields : undefined;
  }
  return undefined;
}
