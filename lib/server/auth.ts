import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyRequest, onRequestHookHandler } from "fastify";
import { sendError } from "./error-handling.js";
import { ServiceError } from "./errors.js";

/**
 * Lets requests in that carry the token: as a bearer token, or as the password of a browser's login window, which is how
 * the page and the documentation are reached.
 */
export function requireToken(token: string): onRequestHookHandler {
  const expected = digest(token);
  return (request, reply, next) => {
    const sent = sentToken(request);
    // Digests are of one length, and comparing them takes the same time wherever they differ.
    if (sent !== undefined && timingSafeEqual(digest(sent), expected)) return next();
    reply.header("www-authenticate", ['Bearer realm="clip-blip"', 'Basic realm="clip-blip"']);
    const message = 'This service asks for a token: send it as "Authorization: Bearer <token>".';
    sendError(reply, new ServiceError(401, "ERR_UNAUTHORIZED", message));
  };
}

function sentToken({ headers }: FastifyRequest): string | undefined {
  const [, scheme = "", value = ""] = /^(\S+) +(.+)$/.exec(headers.authorization ?? "") ?? [];
  if (scheme.toLowerCase() === "bearer") return value;
  if (scheme.toLowerCase() !== "basic") return undefined;
  // A browser sends a password that it knows along with requests of other sites too: those are not taken.
  const site = headers["sec-fetch-site"];
  if (site === "cross-site" || site === "same-site") return undefined;
  const credentials = Buffer.from(value, "base64").toString();
  return credentials.slice(credentials.indexOf(":") + 1);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
