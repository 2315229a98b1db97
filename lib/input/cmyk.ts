import { setImmediate as nextTurn } from "node:timers/promises";

/** Pixels converted between two turns of the event loop: about a millisecond. */
const SLICE = 1 << 17;

/**
 * CMYK to RGB by Pillow's formula, `(255 - K) * (255 - C) / 255` in 8-bit fixed point. sharp would go through a colour
 * profile, which looks better and gives other numbers. In slices, so that the event loop goes on.
 *
 * @param cmyk interleaved, 0 is no ink
 */
export async function cmykToRgb(cmyk: Uint8Array): Promise<Uint8Array> {
  const pixels = cmyk.length / 4;
  const rgb = new Uint8Array(pixels * 3);
  for (let from = 0; from < pixels; from += SLICE) {
    if (from > 0) await nextTurn();
    convert(cmyk, rgb, from, Math.min(from + SLICE, pixels));
  }
  return rgb;
}

function convert(cmyk: Uint8Array, rgb: Uint8Array, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const white = 255 - cmyk[i * 4 + 3]!;
    for (let c = 0; c < 3; c++) {
      const ink = cmyk[i * 4 + c]! * white + 128;
      rgb[i * 3 + c] = white - (((ink >> 8) + ink) >> 8);
    }
  }
}
