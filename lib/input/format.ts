import { ClipBlipError } from "../common/errors.js";

/** The formats that are read, in sharp's names, besides BMP. AVIF is "heif" there. */
export type ImageFormat = "jpeg" | "png" | "webp" | "gif" | "tiff" | "heif" | "bmp";

/**
 * Tells the format by the first bytes. Only what is recognised here reaches a decoder: SVG, PDF and the rest are refused
 * unopened, since most vulnerabilities of image libraries are in parsing them.
 *
 * @throws ERR_IMAGE_DECODE for everything else, empty input included
 */
export function detectFormat(bytes: Uint8Array, name: string): ImageFormat {
  if (bytes.byteLength === 0) throw undecodable(`${name} is empty (0 bytes).`);
  const format = formatOf(bytes);
  if (format) return format;
  const start = startOf(bytes);
  const known = KNOWN.find(({ pattern }) => pattern.test(start));
  throw undecodable(
    known === undefined
      ? `${name} is not a picture in a supported format: ${SUPPORTED}.`
      : `${name} is ${known.name}, ${known.advice ?? `which is not supported: convert it to one of ${SUPPORTED}.`}`,
  );
}

/** The format by the first bytes; undefined for what is none of ours. */
export function formatOf(bytes: Uint8Array): ImageFormat | undefined {
  const start = startOf(bytes);
  if (start.startsWith("\xff\xd8\xff")) return "jpeg";
  if (start.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (/^RIFF.{4}WEBP/s.test(start)) return "webp";
  if (/^GIF8[79]a/.test(start)) return "gif";
  if (/^(?:II[*+]\0|MM\0[*+])/.test(start)) return "tiff";
  // The brand may be a generic one (mif1); the decoder then says whether it is AV1 inside.
  if (/^.{4}ftyp(?:avi[fs]|m[is]f1)/s.test(start)) return "heif";
  return isBmp(start) ? "bmp" : undefined;
}

function startOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 32)).toString("latin1");
}

const SUPPORTED = "JPEG, PNG, WebP, GIF, TIFF, AVIF or BMP";

/** What else people have, by its first bytes. */
const KNOWN: readonly { pattern: RegExp; name: string; advice?: string }[] = [
  { pattern: /^.{4}ftyp(?:hei[cmsx]|hev[cmsx])/s, name: "a HEIC picture (HEVC, as iPhones write it)" },
  { pattern: /^.{4}ftyp/s, name: "a video or another file of the MP4 family" },
  { pattern: /^\0{3}.jP {2}|^\xff\x4f\xff\x51/s, name: "a JPEG 2000 picture" },
  { pattern: /^\xff\n|^\0{3}.JXL /s, name: "a JPEG XL picture" },
  { pattern: /^\0{2}[^\0]\0[^\0]\0/s, name: "an icon (ICO)" },
  { pattern: /^icns/, name: "an icon (ICNS)" },
  { pattern: /^8BPS/, name: "a Photoshop document" },
  { pattern: /^%PDF-/, name: "a PDF" },
  { pattern: /^%!PS|^\xc5\xd0\xd3\xc6/, name: "a PostScript file" },
  { pattern: /^(?:\xef\xbb\xbf)?\s*<(?:svg|\?xml)/i, name: "an SVG or another XML file" },
  {
    pattern: /^(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body)/i,
    name: "a web page",
    advice: "not a picture: pass the address of the picture itself.",
  },
  { pattern: /^P[1-7]\s/, name: "a PNM picture (PPM, PGM)" },
  { pattern: /^qoif/, name: "a QOI picture" },
  { pattern: /^DDS /, name: "a DDS texture" },
  { pattern: /^BM/, name: "a BMP of an unknown kind" },
];

function undecodable(message: string): ClipBlipError {
  return new ClipBlipError("ERR_IMAGE_DECODE", message);
}

/** Sizes in bytes of the headers that versions of Windows and OS/2 write, by which a BMP is known. */
const BMP_HEADERS = [12, 40, 52, 56, 64, 108, 124];

function isBmp(start: string): boolean {
  const size = Buffer.from(start, "latin1").subarray(14, 18);
  return start.startsWith("BM") && size.length === 4 && BMP_HEADERS.includes(size.readUInt32LE());
}
