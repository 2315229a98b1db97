import type { Charsmap } from "./charsmap.js";

/** What SentencePiece puts in the place of a blank. */
export const SPACE_SYMBOL = "\u2581";

/**
 * Normalises a text as SentencePiece does with its usual options (`Normalizer::Normalize`, add_dummy_prefix,
 * remove_extra_whitespaces and escape_whitespaces on): replacements of the table, single blanks, none at the end, one in
 * front, all of them visible.
 */
export function normalizeForPieces(text: string, charsmap: Charsmap): string {
  let normalized = "";
  let afterSpace = true;
  for (const piece of charsmap.replace(text)) {
    const visible: string = afterSpace ? piece.replace(/^ +/, "") : piece;
    if (visible === "") continue;
    normalized += visible.replaceAll(" ", SPACE_SYMBOL);
    afterSpace = visible.endsWith(" ");
  }
  const trimmed = normalized.replace(/\u2581+$/, "");
  return trimmed === "" ? "" : SPACE_SYMBOL + trimmed;
}
