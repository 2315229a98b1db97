/** Tokens of a caption, start token included: the shortest there is, and as many as the aims speak of. */
const SHORT = 2;
const LONG = 20;

/**
 * Captions. What one turn of the decode loop takes is the difference between long and short ones: the result gives it,
 * when the others have run.
 */
export function addCaptionParts(bench, model, photos) {
  const some = photos.slice(0, 4);
  const caption = (images, tokens) => model.caption(images, { minLength: tokens, maxLength: tokens });
  bench.add(`one call: a JPEG of 640 x 480 to ${LONG} tokens`, () => caption(some.slice(0, 1), LONG));
  const names = [SHORT, LONG].map((tokens) => `JPEGs of 640 x 480 to ${tokens} tokens, batch ${some.length}`);
  bench.add(names[0], () => caption(some, SHORT));
  bench.add(names[1], () => caption(some, LONG));
  return () => {
    const [short, long] = names.map((name) => bench.getTask(name).result.latency.p50);
    const difference = (long - short) / (LONG - SHORT);
    // Few runs on a busy machine can turn it round.
    const median = difference > 0 ? difference : Number.NaN;
    return [{ name: `decode loop: one more token of each, batch ${some.length}`, items: some.length, median }];
  };
}
