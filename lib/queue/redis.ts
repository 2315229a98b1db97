import type { Redis, RedisOptions } from "ioredis";
import { ClipBlipError } from "../common/errors.js";
import { importPeer } from "../common/peer.js";
import { invalidArgument } from "../common/validate.js";

/** The packages of the queue, loaded on demand. */
export async function queuePackages() {
  return importPeer(
    async () => {
      const [bullmq, { Redis }] = await Promise.all([import("bullmq"), import("ioredis")]);
      return { Queue: bullmq.Queue, Worker: bullmq.Worker, WaitingError: bullmq.WaitingError, Redis };
    },
    "bullmq@6 ioredis@6",
    "The job queue",
  );
}

/** Maximum milliseconds between two attempts to connect. */
const MAX_WAIT = 3_000;

/** Milliseconds for which the service waits for Redis before a call fails. */
const SERVICE_PATIENCE = 5_000;

/** Options of `connect`. */
export interface ConnectOptions {
  /** "redis://…", or "rediss://…" for TLS. */
  url: string;
  /** Whether commands wait for a connection without limit, as in a worker, or fail after some seconds. */
  waits: boolean;
  /** Called with a line when the connection is made, lost and made again. */
  log: (line: string) => void;
}

/** A client that connects and reconnects by itself. Returned before it is connected. */
export async function connect({ url, waits, log }: ConnectOptions): Promise<Redis> {
  const address = addressOf(url);
  const { Redis } = await queuePackages();
  const options: RedisOptions = {
    // BullMQ requires null if commands are to wait.
    maxRetriesPerRequest: waits ? null : 1,
    retryStrategy: (attempt) => Math.min(100 * 2 ** Math.min(attempt, 10), MAX_WAIT),
    // After a failover the host name leads to the new primary.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
    ...(waits ? {} : { commandTimeout: SERVICE_PATIENCE, connectTimeout: SERVICE_PATIENCE }),
  };
  const client = new Redis(url, options);
  logConnection(client, address, log);
  return client;
}

/**
 * Waits for the first connection.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT if Redis refuses the credentials; `signal.reason`
 */
export async function untilReady(client: Redis, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  if (client.status === "ready") return;
  const settled = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      const listen = (name: string, listener: (error: Error) => void) => {
        client.on(name, listener);
        settled.signal.addEventListener("abort", () => client.off(name, listener));
      };
      listen("ready", () => resolve());
      listen("error", (error) => {
        if (!/^(NOAUTH|WRONGPASS|NOPERM)/.test(error.message)) return;
        const message = `Redis refuses the connection (${error.message}): put user and password into the URL`;
        reject(new ClipBlipError("ERR_INVALID_ARGUMENT", message, { cause: error }));
      });
      signal?.addEventListener("abort", () => reject(signal.reason), { signal: settled.signal });
    });
  } finally {
    settled.abort();
  }
}

/** Host and port of a URL, without the password. @throws ClipBlipError ERR_INVALID_ARGUMENT */
export function addressOf(url: unknown): string {
  if (typeof url === "string" && /^rediss?:\/\//.test(url) && URL.canParse(url)) {
    const { hostname, port } = new URL(url);
    return `${hostname || "127.0.0.1"}:${port || 6379}`;
  }
  // The value is not shown, because it may contain a password.
  throw invalidArgument("options.redis", "a URL such as redis://127.0.0.1:6379", typeof url === "string" ? "…" : url);
}

function logConnection(client: Redis, address: string, log: (line: string) => void): void {
  let lost = false;
  let reason: string | undefined;
  client.on("error", (error: NodeJS.ErrnoException) => {
    reason = error.code ?? error.message;
  });
  client.on("reconnecting", () => {
    if (!lost) log(`Redis at ${address} cannot be reached (${reason ?? "it closed the connection"}): trying again`);
    lost = true;
  });
  client.on("ready", () => {
    log(lost ? `Redis at ${address} can be reached again` : `Connected to Redis at ${address}`);
    lost = false;
    reason = undefined;
  });
}
