/** What JSON does not escape but a terminal or a log may act on: more control characters, directions, line ends. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Characters of a caller's text in a message: from its beginning, and from its end, where a path has its file name. */
const [BEGINNING, END] = [60, 39];

/** Text from a file or a request, made safe for a message: quoted, control characters escaped, cut if it is long. */
export function quote(text: string): string {
  return escaped(JSON.stringify(cut(text)));
}

/** As `quote`, without the quotes: for what reads as a part of the sentence, such as an option's name. */
export function brief(text: string): string {
  return escaped(cut(text));
}

/** Longest message. */
const MAX_MESSAGE = 1000;

/**
 * A message made short whatever is in it: the path of a file that was read, the text of a library underneath. Unbroken
 * text is cut as `quote` cuts it, with room for the quotes and what follows them.
 */
export function shorten(message: string): string {
  const short = message.replaceAll(/\S{111,}/g, cut);
  return short.length > MAX_MESSAGE ? `${short.slice(0, MAX_MESSAGE - 1)}…` : short;
}

function cut(text: string): string {
  return text.length > BEGINNING + END + 1 ? `${text.slice(0, BEGINNING)}…${text.slice(-END)}` : text;
}

function escaped(text: string): string {
  // Of a pair of surrogates both, each as JSON writes it.
  return text.replaceAll(UNPRINTABLE, (match) =>
    Array.from({ length: match.length }, (_, at) => `\\u${match.charCodeAt(at).toString(16).padStart(4, "0")}`).join(
      "",
    ),
  );
}
