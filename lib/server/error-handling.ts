import type { FastifyReply } from "fastify";
import { asServiceError, errorBody, ServiceError } from "./errors.js";
import type { App } from "./service.js";
import { validationError } from "./validation.js";

/** Gives every failure the one shape, and logs those that are the service's own. */
export function addErrorHandling(app: App): void {
  app.setSchemaErrorFormatter(validationError);
  app.setErrorHandler((error, request, reply) => {
    const failure = asServiceError(error);
    // What the service itself refuses with is no failure of it.
    if (failure.statusCode >= 500 && failure !== error) request.log.error({ err: error }, failure.message);
    return sendError(reply, failure);
  });
  app.setNotFoundHandler((_request, reply) =>
    sendError(reply, new ServiceError(404, "ERR_NOT_FOUND", "There is no such route; /docs lists those that are.")),
  );
}

/** Answers with a failure. */
export function sendError(reply: FastifyReply, failure: ServiceError): FastifyReply {
  if (failure.retryAfter !== undefined) reply.header("retry-after", failure.retryAfter);
  return reply.code(failure.statusCode).send(errorBody(failure));
}
