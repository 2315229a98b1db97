import type { RawPixels } from "clip-blip";

/** Pictures that are all different, without a decoder: what is tested here is what comes after it. */
export const rawPictures = (count: number, side = 224): RawPixels[] =>
  Array.from({ length: count }, (_, number) => ({
    data: new Uint8Array(side * side * 3).map((_, index) => (index * 31 + (index >> 7) * number + number * 7) % 256),
    width: side,
    height: side,
    channels: 3,
  }));
