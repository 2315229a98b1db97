import { ClipBlipError } from "../errors.js";
import { firstGifFrame } from "./gif-frame.js";
import { checkPixels } from "./limits.js";
import { OPEN, rgbPixels } from "./pixels.js";
import { loadSharp } from "./sharp.js";
import type { DecodedImage } from "./types.js";

/**
 * The first frame of a GIF on its canvas, as Pillow shows it.
 *
 * @throws ERR_IMAGE_DECODE, ERR_IMAGE_TOO_LARGE, and what sharp throws
 */
export async function decodeGif(bytes: Uint8Array, name: string, maxPixels: number): Promise<DecodedImage> {
  const frame = firstGifFrame(bytes);
  if (!frame) throw new ClipBlipError("ERR_IMAGE_DECODE", `${name} is a GIF that is damaged or cut short.`);
  const { width, height, left, top, canvasWidth, canvasHeight, background } = frame;
  checkPixels(name, canvasWidth, canvasHeight, maxPixels);
  const sharp = await loadSharp();
  const image = sharp(frame.file, { ...OPEN, limitInputPixels: maxPixels });
  if (width === canvasWidth && height === canvasHeight) return rgbPixels(image);
  const [right, bottom] = [canvasWidth - left - width, canvasHeight - top - height];
  return rgbPixels(image.extend({ left, right, top, bottom, background }));
}
