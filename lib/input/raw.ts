import { rgbPixels, undecodable } from "./pixels.js";
import { loadSharp } from "./sharp.js";
import type { DecodedImage, RawPixels } from "./types.js";

/**
 * Raw pixels as RGB: grey is repeated, alpha dropped. The conversion runs on a pool thread.
 *
 * @param pixels checked already; their memory is taken over
 */
export async function decodeRaw(pixels: RawPixels & { data: Uint8Array }, name: string): Promise<DecodedImage> {
  const { data, width, height, channels } = pixels;
  if (channels === 3) return { data, width, height };
  const sharp = await loadSharp();
  try {
    return await rgbPixels(sharp(data, { raw: { width, height, channels }, limitInputPixels: false }));
  } catch (error) {
    throw undecodable(name, error);
  }
}
