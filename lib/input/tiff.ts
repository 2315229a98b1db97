import { setImmediate as nextTurn } from "node:timers/promises";
import { readTiffTags, TIFF_TAGS, type TiffTags } from "./tiff-tags.js";

/** Compressions that sharp's build of libtiff leaves out. */
const COMPRESSIONS: Readonly<Record<number, string>> = {
  6: "JPEG compression of the old style",
  34661: "JBIG compression",
  34676: "SGI Log compression",
  34677: "SGI Log compression",
  34712: "JPEG 2000 compression",
  34925: "LZMA compression",
  50000: "Zstandard compression",
  50002: "JPEG XL compression",
};

/** Kinds of colour that are no RGB, grey, palette or CMYK. */
const COLOURS: Readonly<Record<number, string>> = {
  8: "Lab colours",
  9: "Lab colours",
  10: "Lab colours",
  32803: "the raw samples of a camera",
  32844: "logarithmic samples",
  32845: "logarithmic samples",
};

const [YCBCR, JPEG] = [6, 7];

/** What a TIFF says about its samples. */
export interface TiffKind {
  /** What cannot be read, as the object of "has"; undefined for a picture that can. */
  unsupported: string | undefined;
  /** Whether the samples are luma and two colour differences, which libvips takes for RGB. */
  ycbcr: boolean;
}

/** libvips does not tell these things, or calls such files damaged. */
export function tiffKind(bytes: Uint8Array): TiffKind {
  const tags = readTiffTags(bytes);
  const one = (tag: number) => tags.get(tag)?.[0];
  const compression = one(TIFF_TAGS.compression);
  const photometric = one(TIFF_TAGS.photometric);
  // The JPEG decoder converts the colours itself.
  const ycbcr = photometric === YCBCR && compression !== JPEG;
  const unsupported =
    COMPRESSIONS[compression ?? 0] ??
    COLOURS[photometric ?? 0] ??
    depthProblem(tags) ??
    (ycbcr ? ycbcrProblem(tags) : undefined);
  return { unsupported, ycbcr };
}

function depthProblem(tags: TiffTags): string | undefined {
  const bits = tags.get(TIFF_TAGS.bitsPerSample) ?? [1];
  return bits.length > 1 && bits.some((depth) => depth < 8) ? `${bits[0]}-bit colour samples` : undefined;
}

/** The weights of red, green and blue in luma, by ITU-R BT.601. */
const COEFFICIENTS = [0.299, 0.587, 0.114];
const REFERENCE = [0, 255, 128, 255, 128, 255];

function ycbcrProblem(tags: TiffTags): string | undefined {
  const same = (tag: number, expected: readonly number[]) =>
    (tags.get(tag) ?? expected).every((value, index) => Math.abs(value - expected[index]!) < 1e-3);
  // The default of the standard is 2, 2.
  const subsampling = tags.get(TIFF_TAGS.ycbcrSubsampling) ?? [2, 2];
  if (subsampling.some((factor) => factor !== 1)) return "colour differences of a lower resolution (YCbCr subsampling)";
  const usual = same(TIFF_TAGS.ycbcrCoefficients, COEFFICIENTS) && same(TIFF_TAGS.referenceBlackWhite, REFERENCE);
  return usual ? undefined : "YCbCr samples of an unusual range";
}

/** Pixels converted between two turns of the event loop: about a millisecond. */
const SLICE = 1 << 17;

/**
 * Converts luma and colour differences to RGB, in place (JFIF, which is ITU-R BT.601 in full range). In slices, so that
 * the event loop goes on.
 */
export async function ycbcrToRgb(pixels: Uint8Array): Promise<void> {
  // Clamps and rounds.
  const rgb = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  for (let at = 0; at < rgb.length; at += 3) {
    if (at > 0 && at % (3 * SLICE) === 0) await nextTurn();
    const [y, cb, cr] = [rgb[at]!, rgb[at + 1]! - 128, rgb[at + 2]! - 128];
    rgb[at] = y + 1.402 * cr;
    rgb[at + 1] = y - 0.344136286 * cb - 0.714136286 * cr;
    rgb[at + 2] = y + 1.772 * cb;
  }
}
