import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { FastifyReply } from "fastify";
import { asServiceError, errorBody, ServiceError } from "./errors.js";
import type { App } from "./service.js";

/** Gives all errors the same shape, and logs those that are the service's fault. */
export function addErrorHandling(app: App): void {
  app.setErrorHandler((error, request, reply) => {
    const failure = asServiceError(error);
    // A refusal by the service itself is not a fault.
    if (failure.statusCode >= 500 && failure !== error) request.log.error({ err: error }, failure.message);
    return sendError(reply, failure);
  });
  app.setNotFoundHandler((_request, reply) =>
    sendError(reply, new ServiceError(404, "ERR_NOT_FOUND", "There is no such route: see /docs for those that exist.")),
  );
}

/** Sends an error response. */
export function sendError(reply: FastifyReply, failure: ServiceError): FastifyReply {
  if (failure.retryAfter !== undefined) reply.header("retry-after", failure.retryAfter);
  return reply.code(failure.statusCode).send(errorBody(failure));
}

/** Errors of Node's HTTP parser, by code. With any other, the request is not HTTP. */
const FAILURES: Record<string, [status: number, sentence: string]> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, "The request did not arrive in time: send it again."],
  HPE_HEADER_OVERFLOW: [431, "The headers are too large: send fewer or shorter ones."],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, "The chunks of the body have too many extensions."],
};

interface ClientError extends Error {
  code?: string;
}

/** A connection with its pending response, which Node's own handler looks at, too. */
type Connection = Socket & { _httpMessage?: ServerResponse };

/**
 * Answers what cannot be parsed as a request, in the shape of all other errors, and closes the connection. If a
 * response has already begun there is no answer, because it would be taken for a part of that.
 */
export function answerClientError(error: ClientError, socket: Connection): void {
  if (error.code !== "ECONNRESET" && socket.writable && !socket._httpMessage?.headersSent) {
    const [status, sentence] = FAILURES[error.code ?? ""] ?? [400, "This is not an HTTP request."];
    const body = JSON.stringify(errorBody(new ServiceError(status, "ERR_INVALID_ARGUMENT", sentence)));
    const headers = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "Connection: close",
      "Content-Type: application/json; charset=utf-8",
      "X-Content-Type-Options: nosniff",
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    socket.write(`${headers.join("\r\n")}\r\n\r\n${body}`);
  }
  socket.destroy(error);
}
