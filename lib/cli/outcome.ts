import type { ClipBlipError } from "../common/errors.js";

/** What a line of results is about: a picture, or a text. */
export type Subject = { input: string } | { text: string };

/** Why there is no result. */
export interface Failure {
  error: { code: string; message: string };
}

/** One line of results. */
export type Outcome<V extends object> = Subject & (V | Failure);

/** A string that tells subjects apart: the same only for equal ones. */
export function keyOf(subject: Subject): string {
  return "input" in subject ? `input ${subject.input}` : `text ${subject.text}`;
}

/** The subject of a line that was read back; undefined if it has none. */
export function subjectOf(line: unknown): Subject | undefined {
  if (typeof line !== "object" || line === null) return undefined;
  if ("input" in line && typeof line.input === "string") return { input: line.input };
  if ("text" in line && typeof line.text === "string") return { text: line.text };
  return undefined;
}

/** An error in the form that results have it, without stack and cause, and without its place in a call of the library. */
export function failure({ code, message }: Pick<ClipBlipError, "code" | "message">): Failure {
  return { error: { code, message: message.replace(/ \(item \d+\)$/, "") } };
}
