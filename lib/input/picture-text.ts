import { formatOf } from "./format.js";

/** Endings of pictures' names. */
const EXTENSIONS = ["jpg", "jpeg", "jfif", "png", "webp", "gif", "avif", "heic", "heif", "tif", "tiff", "bmp", "svg"];

/** Whether a file is a picture by the ending of its name. */
export function hasPictureEnding(path: string): boolean {
  return EXTENSIONS.includes(path.slice(path.lastIndexOf(".") + 1).toLowerCase());
}

/** Whether a text is a data: URL. */
export function isDataUrl(text: string): boolean {
  return /^data:/i.test(text);
}

/** Fewer characters hold no signature that tells a picture from a word. */
const MIN_BASE64 = 12;

/** Whether a text is the base64 of a picture's bytes, judged by its alphabet and the signature of a format. */
export function isPictureBase64(text: string): boolean {
  if (text.length < MIN_BASE64 || !/^[\w+/-][\w+/\r\n-]*={0,2}\s*$/.test(text)) return false;
  return formatOf(Buffer.from(text.slice(0, 64), "base64")) !== undefined;
}

/**
 * What a text is where it is plainly a picture and no words: a data: URL of a picture or of base64, the base64 of one,
 * or an http(s): URL whose path ends as a picture's name does.
 */
export function pictureTextKind(text: string): "data" | "base64" | "url" | undefined {
  if (/^data:(image\/|[^\s,]*;base64,)/i.test(text)) return "data";
  if (isPictureBase64(text)) return "base64";
  if (!/^https?:\/\/\S+$/i.test(text) || !URL.canParse(text)) return undefined;
  return hasPictureEnding(new URL(text).pathname) ? "url" : undefined;
}
