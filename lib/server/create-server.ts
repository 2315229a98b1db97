import Fastify, { type FastifyInstance } from "fastify";
import type { ServerOptions } from "./options.js";
import { clipBlipService } from "./plugin.js";

/**
 * The service as a Fastify instance: `await server.listen({ port: 8001 })`, or `server.routing` as the handler of
 * another HTTP server.
 */
export function createServer(options: ServerOptions = {}): FastifyInstance {
  const app = Fastify({ logger: options.logger ?? { level: "info" } });
  app.register(clipBlipService, options);
  return app;
}
