/** The image tower below the library, and calls of the library from files. */
export function addVectorParts(bench, parts, model, photos) {
  const pixels = Array.from({ length: 8 }, (_, index) => noise(parts.side, index));
  bench.add("upload and normalise, batch 8", () => parts.upload(pixels));
  for (const batch of [1, 8]) {
    bench.add(`forward of the image tower, batch ${batch}`, () => parts.forward(pixels.slice(0, batch)));
  }
  bench.add("one call: a JPEG of 640 x 480 to a vector", () => model.encodeImages(photos.slice(0, 1)));
  bench.add(`JPEGs of 640 x 480 to vectors, batch ${photos.length}`, () => model.encodeImages(photos));
  bench.add("one call: a text to a vector", () => model.encodeTexts(["a photo of a red circle"]));
}

const noise = (side, seed) => new Uint8Array(side * side * 3).map((_, at) => ((at + seed) * 2654435761) >>> 24);
