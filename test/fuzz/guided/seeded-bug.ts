/** A reader with a bug that a blind change meets once in 2^64 tries: it has to be found byte by byte. */
export function readWithBug(input: Buffer): boolean {
  const secret = "clipblip";
  let right = 0;
  if (input[0] === secret.charCodeAt(0)) right++;
  if (right === 1 && input[1] === secret.charCodeAt(1)) right++;
  if (right === 2 && input[2] === secret.charCodeAt(2)) right++;
  if (right === 3 && input[3] === secret.charCodeAt(3)) right++;
  if (right === 4 && input[4] === secret.charCodeAt(4)) right++;
  if (right === 5 && input[5] === secret.charCodeAt(5)) right++;
  if (right === 6 && input[6] === secret.charCodeAt(6)) right++;
  if (right === 7 && input[7] === secret.charCodeAt(7)) throw new Error("the bug");
  return true;
}

/** A reader that never ends. */
export function hang(): never {
  for (;;);
}

/** A reader that keeps all that it can have. */
export function swell(): never {
  const kept: number[][] = [];
  for (;;) kept.push(new Array(1000).fill(kept.length));
}
