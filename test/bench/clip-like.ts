/** Numbers of a vector. */
export const DIMENSION = 512;

const CLUSTERS = 2000;

/** mulberry32: the same numbers on every machine. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The sum of some directions, of length 1. */
function mix(...parts: [weight: number, direction: Float32Array][]): Float32Array {
  const sum = new Float32Array(DIMENSION);
  for (const [weight, direction] of parts) {
    for (let index = 0; index < DIMENSION; index++) sum[index]! += weight * direction[index]!;
  }
  const length = Math.hypot(...sum);
  return sum.map((value) => value / length);
}

/**
 * Vectors as CLIP makes them: those of pictures lie in a cone around one direction and in clusters (cosine 0.49 between
 * any two, 0.74 within a cluster); those of texts lie around another direction, with a weak pull towards a picture.
 */
export function clipLike(count: number, queries: number) {
  const random = uniform(1);
  // Box and Muller's transform.
  const normal = () => Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random());
  const direction = () => mix([1, Float32Array.from({ length: DIMENSION }, normal)]);
  const [ofPictures, ofTexts] = [direction(), direction()];
  const clusters = Array.from({ length: CLUSTERS }, direction);
  const any = <T>(list: T[]) => list[Math.floor(random() * list.length)]!;
  const pictures = Array.from({ length: count }, () =>
    mix([0.7, ofPictures], [0.5, any(clusters)], [0.5, direction()]),
  );
  return {
    pictures,
    pictureQueries: Array.from({ length: queries }, () => mix([1, any(pictures)], [0.6, direction()])),
    textQueries: Array.from({ length: queries }, () => mix([0.8, ofTexts], [0.35, any(pictures)], [0.5, direction()])),
  };
}
