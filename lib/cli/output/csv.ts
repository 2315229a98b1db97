import { keyOf, type Outcome } from "../outcome.js";
import type { RecordFormat } from "./writer.js";

/**
 * Results as CSV (RFC 4180, with plain line feeds): `input`, `text` if the command also takes texts, the value, and
 * `error` ("CODE: message").
 *
 * @param subjects columns for the subject of a line; one of them is filled
 * @param name column of the value
 * @param of converts a value to text
 */
export function csv<V extends object>(
  subjects: ("input" | "text")[],
  name: string,
  of: (value: V) => string,
): RecordFormat<V> {
  return {
    name: "CSV",
    header: line([...subjects, name, "error"]),
    footer: "",
    encode: (outcome: Outcome<V>) => {
      const about = subjects.map((subject) =>
        subject in outcome ? (outcome as Record<string, string>)[subject]! : "",
      );
      const failed = "error" in outcome;
      return line([
        ...about,
        ...(failed ? ["", `${outcome.error.code}: ${outcome.error.message}`] : [of(outcome), ""]),
      ]);
    },
    decode: (record) => {
      const fields = fieldsOf(record);
      if (fields?.length !== subjects.length + 2) return undefined;
      const filled = fields.slice(0, subjects.length).findIndex(Boolean);
      // If none is filled, the subject is the empty text.
      const about =
        filled >= 0 && subjects[filled] === "input" ? { input: fields[filled]! } : { text: fields[filled] ?? "" };
      return { key: keyOf(about), failed: fields.at(-1) !== "" };
    },
    // A line break inside quotes does not end a record.
    isWhole: (lines) => lines.split('"').length % 2 === 1,
  };
}

function line(fields: string[]): string {
  return `${fields.map(quoted).join(",")}\n`;
}

function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

/** The fields of one record; undefined if it is not a whole one. */
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
