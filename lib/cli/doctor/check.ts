/** One result of doctor. */
export interface Check {
  name: string;
  /** "missing": the package does not work without it; "note": it works, but the user may want to know. */
  status: "ok" | "missing" | "note";
  /** What was found, as a clause. */
  detail: string;
  /** What to do about it. */
  remedy?: string;
  /** The same as data, for --json. */
  data?: Record<string, unknown>;
}
