import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import Fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import { brief } from "../common/quote.js";
import { answerClientError, sendError } from "./error-handling.js";
import { asServiceError } from "./errors.js";
import type { ServerOptions } from "./options.js";
import { clipBlipService } from "./plugin.js";

/** Maximum milliseconds for a client to send a whole request. */
const REQUEST_TIMEOUT = 60_000;

/**
 * Creates the service as a Fastify instance. Once it is ready, the models load in the background. `server.close()`
 * refuses new work, waits for running requests, and closes the models. `server.routing` is a handler for another HTTP
 * server.
 * @example
 * ```ts
 * const server = await createServer({ clip: "openai/clip-vit-base-patch32", blip: false });
 * await server.listen({ port: 8001 });
 * ```
 * @throws ClipBlipError ERR_INVALID_ARGUMENT, when the server becomes ready
 */
export function createServer(options: ServerOptions = {}): FastifyInstance {
  const app = Fastify({
    logger: briefly(options.logger ?? { level: "info" }),
    genReqId: requestId,
    requestTimeout: REQUEST_TIMEOUT,
    // The service itself refuses requests while it is shutting down; connections left after that are closed.
    return503OnClosing: false,
    forceCloseConnections: true,
    clientErrorHandler: answerClientError,
    // For malformed URLs, for which no route can be looked up.
    frameworkErrors: (error, _request, reply) => {
      sendError(reply, asServiceError(error));
    },
  });
  app.register(clipBlipService, options);
  return app;
}

/** Fastify's own line of a request, but for a URL of any length. */
function briefly(logger: ServerOptions["logger"]): ServerOptions["logger"] {
  if (typeof logger !== "object") return logger;
  const req = ({ method, url, host, ip, socket }: FastifyRequest) => ({
    method,
    url: brief(url),
    host,
    remoteAddress: ip,
    remotePort: socket?.remotePort,
  });
  return { ...logger, serializers: { req, ...logger.serializers } } as ServerOptions["logger"];
}

/** The id that a proxy has assigned, if it is valid; else a new one. */
function requestId({ headers }: IncomingMessage): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
}
