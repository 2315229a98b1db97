import type { FastifyReply } from "fastify";

/** Calls back when an answer was sent in full, or when its client has gone. */
export function onEnd({ raw }: FastifyReply, done: (answered: boolean) => void): void {
  // A request's own "close" comes as soon as its body has been read.
  raw.once("close", () => done(raw.writableFinished));
}
