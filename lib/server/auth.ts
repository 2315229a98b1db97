import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyRequest, onRequestHookHandler } from "fastify";
import { sendError } from "./error-handling.js";
import { ServiceError } from "./errors.js";

/**
 * Accepts only requests with the token, as a bearer token or as the password of a browser's login window; the latter is
 * for the page and the documentation.
 */
export function requireToken(token: string): onRequestHookHandler {
  const expected = digest(token);
  return (request, reply, next) => {
    const sent = sentToken(request);
    // Digests have the same length, and comparing them takes the same time wherever they differ.
    if (sent !== undefined && timingSafeEqual(digest(sent), expected)) return next();
    reply.header("www-authenticate", ['Bearer realm="clip-blip"', 'Basic realm="clip-blip"']);
    const message = 'This service requires a token: send it as "Authorization: Bearer <token>".';
    sendError(reply, new ServiceError(401, "ERR_UNAUTHORIZED", message));
  };
}

function sentToken({ headers }: FastifyRequest): string | undefined {
  const [, scheme = "", value = ""] = /^(\S+) +(.+)$/.exec(headers.authorization ?? "") ?? [];
  if (scheme.toLowerCase() === "bearer") return value;
  if (scheme.toLowerCase() !== "basic") return undefined;
  // A browser adds a password that it knows to requests of other sites too: those are refused.
  const site = headers["sec-fetch-site"];
  if (site === "cross-site" || site === "same-site") return undefined;
  const credentials = Buffer.from(value, "base64").toString();
  return credentials.slice(credentials.indexOf(":") + 1);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
