import type { FastifyRequest, onRequestAsyncHookHandler } from "fastify";
import { drainingError, ServiceError } from "./errors.js";
import type { Gate, Place } from "./gate.js";
import { onEnd } from "./lifecycle.js";
import type { Service } from "./service.js";

/** What an admitted request can use. */
export interface Work {
  /** Aborted when the client disconnects, or when the service stops waiting during shutdown. */
  signal: AbortSignal;
  /** Sets the number of items in the request; each takes a place in the queue. */
  setItems(count: number): void;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Set for routes that use a model. */
    work: Work | undefined;
  }
}

/**
 * Admits a request before its body is read, unless the service is not ready or is shutting down, the model's queue is
 * full, or the bodies in memory have reached their limit. Its places are freed when it has ended.
 */
export function admit(service: Service, { gate }: { gate: Gate }): onRequestAsyncHookHandler {
  return async (request, reply) => {
    const unavailable = service.unavailable();
    if (unavailable) throw unavailable;
    const bytes = announcedBytes(request, service.options.limits.bodyBytes);
    const place = gate.enter();
    let body: Place;
    try {
      body = service.bodies.enter(bytes);
    } catch (error) {
      place.leave();
      throw error;
    }
    const work = new AbortController();
    const untrack = service.lifecycle.track(work);
    onEnd(reply, (answered) => {
      untrack();
      place.leave();
      body.leave();
      if (!answered) work.abort(clientGone());
    });
    request.work = {
      signal: work.signal,
      setItems: (count) => place.take(count),
    };
  };
}

/** Why work whose client has disconnected is aborted. Only the log shows it. */
function clientGone(): ServiceError {
  return new ServiceError(499, "ERR_CLIENT_GONE", "The client has disconnected.");
}

/** Refuses requests while the service is shutting down. */
export function refuseWhileDraining({ lifecycle }: Service): onRequestAsyncHookHandler {
  return async () => {
    if (lifecycle.draining) throw drainingError();
  };
}

/** The length of a body by its header. Without the header it may be as large as is allowed. */
function announcedBytes({ headers }: FastifyRequest, limit: number): number {
  const announced = headers["content-length"];
  const bytes = announced === undefined ? limit : Number(announced);
  if (bytes <= limit) return bytes;
  throw new ServiceError(413, "ERR_BODY_TOO_LARGE", `The body is larger than the limit of ${limit} bytes: send less.`);
}
