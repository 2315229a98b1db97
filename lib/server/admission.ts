import type { FastifyRequest, onRequestAsyncHookHandler } from "fastify";
import { drainingError, ServiceError } from "./errors.js";
import type { Gate, Place } from "./gate.js";
import { onEnd } from "./on-end.js";
import type { Service } from "./service.js";

/** What a request may use once it was admitted. */
export interface Work {
  /** Aborted when the client has gone, or when the service cannot wait any longer. */
  signal: AbortSignal;
  /** Says how many items the request turned out to have; each takes a place in the queue. */
  setItems(count: number): void;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Of routes that work with a model. */
    work: Work | undefined;
  }
}

/**
 * Admits a request before its body is read, unless the model is missing, the service shuts down, the model's queue is
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

/** How work ends whose client has disconnected; only the log shows it. */
function clientGone(): ServiceError {
  return new ServiceError(499, "ERR_CLIENT_GONE", "The client has gone.");
}

/** Refuses what would leave something behind for a service that shuts down. */
export function refuseWhileDraining({ lifecycle }: Service): onRequestAsyncHookHandler {
  return async () => {
    if (lifecycle.draining) throw drainingError();
  };
}

/** Bytes of a body by its header; a body without one may become as large as is allowed. */
function announcedBytes({ headers }: FastifyRequest, limit: number): number {
  const announced = headers["content-length"];
  const bytes = announced === undefined ? limit : Number(announced);
  if (bytes <= limit) return bytes;
  throw new ServiceError(413, "ERR_BODY_TOO_LARGE", `The body is larger than the limit of ${limit} bytes.`);
}
