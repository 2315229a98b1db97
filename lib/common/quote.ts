/** What JSON leaves as it is, and a terminal or a log may not: further control characters, directions, ends of lines. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A word from a file or a request as it may stand in a message: quoted, control characters escaped, cut where it is long. */
export function quote(text: string): string {
  const quoted = JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
  // Of a pair of surrogates both, each as JSON writes it.
  return quoted.replaceAll(UNPRINTABLE, (match) =>
    Array.from({ length: match.length }, (_, at) => `\\u${match.charCodeAt(at).toString(16).padStart(4, "0")}`).join(
      "",
    ),
  );
}
