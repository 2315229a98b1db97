/** One thing that doctor looked at. */
export interface Check {
  name: string;
  /** "missing": the package cannot do its work without it; "note": it can, and the user may want to know. */
  status: "ok" | "missing" | "note";
  /** What was found, as a clause. */
  detail: string;
  /** What to do about it. */
  remedy?: string;
  /** The same as data, for --json. */
  data?: Record<string, unknown>;
}
