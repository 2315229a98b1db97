import { invalidArgument } from "../common/validate.js";
import type { JobType } from "../models/jobs.js";

/** Which queue is used. It must be the same for the service and its workers. */
export interface QueueNames {
  /** Default "clip-blip". */
  queue?: string | undefined;
  /**
   * Prefix of the keys in Redis. Default "bull", which is BullMQ's own and where its dashboards look. On a Redis
   * Cluster put it in braces, as in "{bull}", so that all keys are in one slot.
   */
  prefix?: string | undefined;
}

/** The names of queues and keys. */
export class Names {
  readonly prefix: string;
  readonly #queue: string;

  /** @throws ClipBlipError ERR_INVALID_ARGUMENT */
  constructor({ queue = "clip-blip", prefix = "bull" }: QueueNames) {
    // BullMQ separates the parts of its keys with colons.
    if (typeof queue !== "string" || !/^[^:\s]+$/.test(queue)) {
      throw invalidArgument("options.queue", "a name without colons and spaces", queue);
    }
    if (typeof prefix !== "string" || prefix === "") throw invalidArgument("options.prefix", "a string", prefix);
    this.prefix = prefix;
    this.#queue = queue;
  }

  /** BullMQ's queue for jobs of a type; a worker without the model for that type leaves them to others. */
  bullQueue(type: JobType): string {
    return `${this.#queue}-${type}`;
  }

  /** Hash: the progress of a job. */
  job(id: string): string {
    return `${this.prefix}:${this.#queue}:job:${id}`;
  }

  /** Hash: the outcome of each picture of a job, by key. */
  outcomes(id: string): string {
    return `${this.job(id)}:outcomes`;
  }

  /** Hash: how often a worker was lost while it processed a picture alone, by key. */
  suspects(id: string): string {
    return `${this.job(id)}:suspects`;
  }

  /** Hash: lines of a sink that are not known to be in its file. */
  outbox(sink: string): string {
    return `${this.prefix}:${this.#queue}:sink:${sink}:outbox`;
  }

  /** String: the worker that writes a sink. */
  sinkWriter(sink: string): string {
    return `${this.prefix}:${this.#queue}:sink:${sink}:writer`;
  }
}
