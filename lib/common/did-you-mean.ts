/** Most characters that may differ between a name and the one that was meant. */
const MAX_DISTANCE = 3;

/** Least share of the characters that are the same. */
const MIN_SIMILARITY = 0.4;

/** Longer ones are no misspelled names. */
const MAX_LENGTH = 64;

/**
 * The known name that was most likely meant: spelled in another case or with other separators (`num_beams` for
 * `numBeams`), mistyped, or with more around it (`torch_dtype` for `dtype`).
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  if (name.length > MAX_LENGTH) return undefined;
  const plain = plainName(name);
  let nearest: string | undefined;
  let least = MAX_DISTANCE + 1;
  for (const one of known) {
    const other = plainName(one);
    const distance = editDistance(plain, other);
    const similarity = 1 - distance / Math.max(plain.length, other.length);
    if (distance < least && similarity > MIN_SIMILARITY) [nearest, least] = [one, distance];
  }
  return nearest ?? known.find((one) => one.length > 3 && plain.includes(plainName(one)));
}

function plainName(name: string): string {
  return name.replaceAll(/[^\p{L}\p{N}]/gu, "").toLowerCase();
}

/** Number of characters to insert, delete, replace or exchange with their neighbour (Damerau and Levenshtein). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const next = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let least = Math.min(last[column]! + 1, next[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      const exchanged = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (exchanged) least = Math.min(least, before[column - 2]! + 1);
      next.push(least);
    }
    [before, last] = [last, next];
  }
  return last[b.length]!;
}
