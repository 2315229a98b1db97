import { types } from "node:util";
import { shortNumbers } from "../../common/numbers.js";
import { keyOf, type Outcome, subjectOf } from "../outcome.js";
import type { RecordFormat } from "./writer.js";

/** JSON Lines: one object per line, one line per result. */
export function jsonl<V extends object>(): RecordFormat<V> {
  return {
    name: "JSON Lines",
    header: "",
    footer: "",
    encode: (outcome: Outcome<V>) => `${JSON.stringify(outcome, shortened)}\n`,
    decode: (record) => {
      const line = parse(record);
      const subject = subjectOf(line);
      return subject && { key: keyOf(subject), failed: "error" in (line as object) };
    },
  };
}

function shortened(_key: string, value: unknown): unknown {
  return types.isFloat32Array(value) ? shortNumbers(value) : value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
