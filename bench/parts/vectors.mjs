import { PRODUCT } from "../common/internals.mjs";

const { rows, inner, columns } = PRODUCT;
const PRODUCT_NAME = `a matrix product, ${rows} x ${inner} by ${inner} x ${columns}`;

/** What a matrix product reaches, in thousand millions of operations a second: the bound of every tower's speed. */
export function productRate(bench) {
  const { latency } = bench.getTask(PRODUCT_NAME).result;
  return (2 * rows * inner * columns) / latency.p50 / 1e6;
}

/** The image tower below the library, and calls of the library from files. */
export function addVectorParts(bench, parts, model, photos) {
  const pixels = Array.from({ length: 8 }, (_, index) => noise(parts.side, index));
  bench.add(PRODUCT_NAME, () => parts.product());
  bench.add("upload and normalise, batch 8", () => parts.upload(pixels));
  for (const batch of [1, 8]) {
    bench.add(`forward of the image tower, batch ${batch}`, () => parts.forward(pixels.slice(0, batch)));
  }
  bench.add("one call: a JPEG of 640 x 480 to a vector", () => model.encodeImages(photos.slice(0, 1)));
  bench.add(`JPEGs of 640 x 480 to vectors, batch ${photos.length}`, () => model.encodeImages(photos));
  bench.add("one call: a text to a vector", () => model.encodeTexts(["a photo of a red circle"]));
}

const noise = (side, seed) => new Uint8Array(side * side * 3).map((_, at) => ((at + seed) * 2654435761) >>> 24);
