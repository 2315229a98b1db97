import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";

/** Sides of the coarsest grid of a picture, in pixels. */
const COARSEST = 8;

/**
 * JPEG files like photographs in what they cost: noise on every scale, weaker the finer it is, at quality 88 with halved
 * colour. Made once and kept; the same seed gives the same picture.
 *
 * @returns paths of `count` files in `folder`
 */
export async function photoFiles(folder, { width, height, count }) {
  mkdirSync(folder, { recursive: true });
  const paths = [];
  for (let seed = 0; seed < count; seed++) {
    const path = join(folder, `photo-${width}x${height}-${seed}.jpg`);
    if (!existsSync(path)) {
      const pixels = await photo(width, height, seed);
      writeFileSync(path, await sharp(pixels, raw(width, height)).jpeg({ quality: 88 }).toBuffer());
    }
    paths.push(path);
  }
  return paths;
}

/** A file of `count` pictures of interleaved 8-bit RGB, one after another; made once and kept. */
export async function pixelFile(folder, { side, count }) {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `pixels-${side}-${count}.bin`);
  if (!existsSync(path)) {
    const pictures = [];
    for (let seed = 0; seed < count; seed++) pictures.push(await photo(side, side, seed));
    writeFileSync(path, Buffer.concat(pictures));
  }
  return path;
}

/** `count` pictures of such a file, as the library takes them; repeated where there are fewer. */
export function readPixels(path, side, count) {
  const bytes = readFileSync(path);
  const length = side * side * 3;
  return Array.from({ length: count }, (_, index) => {
    const at = (index * length) % bytes.length;
    return { data: bytes.subarray(at, at + length), width: side, height: side, channels: 3 };
  });
}

/** Interleaved 8-bit RGB. */
async function photo(width, height, seed) {
  const random = generator(seed);
  const scales = Math.max(0, Math.ceil(Math.log2(Math.max(width, height) / COARSEST)));
  let pixels = Buffer.alloc(0);
  for (let scale = 0; scale <= scales; scale++) {
    const size = [width, height].map((side) => Math.max(2, Math.ceil(side / 2 ** (scales - scale))));
    const previous = [width, height].map((side) => Math.max(2, Math.ceil(side / 2 ** (scales - scale + 1))));
    pixels =
      scale === 0
        ? Buffer.alloc(size[0] * size[1] * 3, 128)
        : await sharp(pixels, raw(...previous))
            .resize(...size, { kernel: "cubic", fit: "fill" })
            .raw()
            .toBuffer();
    // Edges and fine grain of a photograph fall off about like this.
    const strength = Math.max(20, 160 * 0.7 ** scale);
    for (let at = 0; at < pixels.length; at += 3) {
      const grey = (random() - 0.5) * strength;
      for (let channel = 0; channel < 3; channel++) {
        const value = pixels[at + channel] + grey + (random() - 0.5) * strength * 0.4;
        pixels[at + channel] = Math.min(255, Math.max(0, value));
      }
    }
  }
  return pixels;
}

const raw = (width, height) => ({ raw: { width, height, channels: 3 } });

/** Numbers from 0 to 1 (xorshift32, Marsaglia 2003). */
function generator(seed) {
  let state = (seed + 1) * 0x9e3779b1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
