import { decode } from "../common/internals.mjs";

const TEXTS = Array.from({ length: 32 }, (_, index) => `a photo of ${index + 2} red circles above a small blue square`);

/** Decoding and resizing, each alone on the pool, and tokenizing. */
export async function addPreparationParts(bench, parts, { photo, large }) {
  for (const [name, file] of Object.entries({ "640 x 480": photo, "12 megapixels": large })) {
    if (!file) continue;
    bench.add(`decode a JPEG of ${name}`, () => decode(file));
    const image = await decode(file);
    bench.add(`resize ${name} to ${parts.side}`, () => parts.resize(image));
  }
  bench.add(`tokenize, batch ${TEXTS.length}`, () => parts.tokenize(TEXTS));
}
