import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import Fastify, { type FastifyInstance } from "fastify";
import { answerClientError, sendError } from "./error-handling.js";
import { asServiceError } from "./errors.js";
import type { ServerOptions } from "./options.js";
import { clipBlipService } from "./plugin.js";

/** Milliseconds that a client has to send a whole request. */
const REQUEST_TIMEOUT = 60_000;

/**
 * The service as a Fastify instance. The models load in the background once it is ready. `server.close()` refuses new
 * work, waits for running requests, and closes the models. `server.routing` is a handler for another HTTP server.
 * @example
 * ```ts
 * const server = await createServer({ clip: "openai/clip-vit-base-patch32", blip: false });
 * await server.listen({ port: 8001 });
 * ```
 * @throws ClipBlipError ERR_INVALID_ARGUMENT, when the server gets ready
 */
export function createServer(options: ServerOptions = {}): FastifyInstance {
  const app = Fastify({
    logger: options.logger ?? { level: "info" },
    genReqId: requestId,
    requestTimeout: REQUEST_TIMEOUT,
    // The service says by itself that it drains, in its own words; what is left after that is cut off.
    return503OnClosing: false,
    forceCloseConnections: true,
    clientErrorHandler: answerClientError,
    // Of addresses that no route can be looked up for.
    frameworkErrors: (error, _request, reply) => {
      sendError(reply, asServiceError(error));
    },
  });
  app.register(clipBlipService, options);
  return app;
}

/** The id that a proxy has given, where it is one; else a new one. */
function requestId({ headers }: IncomingMessage): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
}
