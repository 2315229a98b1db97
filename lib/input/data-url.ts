import { ClipBlipError } from "../common/errors.js";
import { checkBytes, MAX_ENCODED_BYTES } from "./limits.js";

/**
 * The bytes of a `data:` URL. The media type in it is not looked at: the bytes tell what they are.
 *
 * @throws ERR_IMAGE_DECODE for a URL without data, ERR_IMAGE_TOO_LARGE
 */
export function readDataUrl(url: string): Uint8Array {
  const comma = url.indexOf(",");
  if (comma < 0) {
    throw new ClipBlipError(
      "ERR_IMAGE_DECODE",
      "A data URL has no comma and so no data: write data:image/png;base64,…",
    );
  }
  checkBytes("data URL", url.length - comma, MAX_ENCODED_BYTES);
  const base64 = /;\s*base64\s*$/i.test(url.slice(0, comma));
  const body = url.slice(comma + 1);
  if (!base64) return percentDecoded(body);
  // Base64 may itself be percent-encoded; decoding of base64 skips what is not of its alphabet.
  return new Uint8Array(Buffer.from(body.includes("%") ? percentDecoded(body).toString("latin1") : body, "base64"));
}

function percentDecoded(text: string): Buffer {
  const bytes = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1");
}
