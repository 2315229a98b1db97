import type { preHandlerAsyncHookHandler } from "fastify";
import { ClipBlipError } from "../common/errors.js";
import { readDataUrl } from "../input/data-url.js";
import { describe } from "../input/location.js";
import { isDataUrl } from "../input/picture-text.js";
import { ServiceError } from "./errors.js";
import type { Service } from "./service.js";

declare module "fastify" {
  interface FastifyRequest {
    /** The encoded pictures of a request, in its order. */
    pictures: Uint8Array[];
  }
}

/**
 * Puts the pictures of a JSON body into `request.pictures`; for a multipart body `readForm` has done that. Each takes a
 * place in the queue.
 */
export function readPictures(service: Service): preHandlerAsyncHookHandler {
  return async (request) => {
    const { images } = request.body as { images: string[] };
    request.work?.setItems(images.length);
    if (!request.isMultipart()) request.pictures = await resolvePictures(service, images, request.work?.signal);
  };
}

/**
 * The bytes of pictures that are given as data: URLs, base64 or, if that is allowed, http(s): URLs.
 *
 * @param places of the pictures in the request, for messages; default: it has nothing else
 */
export function resolvePictures(
  service: Service,
  images: string[],
  signal?: AbortSignal,
  places?: number[],
): Promise<Uint8Array[]> {
  const { imageBytes } = service.options.limits;
  return Promise.all(
    images.map(async (text, position) => {
      const index = places?.[position] ?? position;
      const bytes = await read(service, text, index, signal);
      if (bytes.length <= imageBytes) return bytes;
      const message = `A picture is larger than the limit of ${imageBytes} bytes: send a smaller one (item ${index}).`;
      throw new ServiceError(413, "ERR_IMAGE_TOO_LARGE", message, { index });
    }),
  );
}

async function read(service: Service, text: string, index: number, signal?: AbortSignal): Promise<Uint8Array> {
  try {
    return isRemote(text) ? await fetched(service, text, index, signal) : decoded(text, index);
  } catch (error) {
    throw error instanceof ClipBlipError ? error.at(index) : error;
  }
}

/** Whether a text is an http(s): URL. */
function isRemote(text: string): boolean {
  return /^https?:/i.test(text);
}

async function fetched(service: Service, text: string, index: number, signal?: AbortSignal): Promise<Uint8Array> {
  if (!service.fetchPicture) {
    throw wrong("This service does not fetch pictures by URL: send the bytes, or a data: URL", index);
  }
  if (!URL.canParse(text)) throw wrong("A picture's URL is not valid: check its spelling", index);
  const url = new URL(text);
  return service.fetchPicture(url, describe({ kind: "remote", url }), signal);
}

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

function decoded(text: string, index: number): Uint8Array {
  if (isDataUrl(text)) return readDataUrl(text);
  if (BASE64.test(text)) return Buffer.from(text, "base64");
  throw wrong("A picture must be a data: URL or base64", index);
}

function wrong(sentence: string, index: number): ServiceError {
  return new ServiceError(422, "ERR_INVALID_ARGUMENT", `${sentence} (item ${index}).`, { index });
}
