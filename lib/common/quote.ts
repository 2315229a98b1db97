/** What JSON does not escape but a terminal or a log may act on: more control characters, directions, line ends. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Text from a file or a request, made safe for a message: quoted, control characters escaped, cut if it is long. */
export function quote(text: string): string {
  const quoted = JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
  // Of a pair of surrogates both, each as JSON writes it.
  return quoted.replaceAll(UNPRINTABLE, (match) =>
    Array.from({ length: match.length }, (_, at) => `\\u${match.charCodeAt(at).toString(16).padStart(4, "0")}`).join(
      "",
    ),
  );
}
