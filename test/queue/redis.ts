import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";

/** A Redis of a test's own, on a port that was free, with its append-only file in a temporary folder. */
export class RedisServer {
  readonly port: number;
  readonly url: string;
  readonly #folder: string;
  readonly #options: string[];
  #process: ChildProcess | undefined;

  private constructor(port: number, options: string[]) {
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.#options = options;
    this.#folder = mkdtempSync(join(tmpdir(), "clip-blip-redis-"));
  }

  static async start(...options: string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), options);
    await server.start();
    return server;
  }

  /** Starts it again with what its file holds. */
  async start(): Promise<void> {
    const place = ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.#folder];
    const child = spawn("redis-server", [...place, "--save", "", "--appendonly", "yes", ...this.#options], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process = child;
    await new Promise<void>((resolve, reject) => {
      child.once("error", (cause) => reject(new Error("The tests of the queue need redis-server", { cause })));
      child.once("exit", (code) => reject(new Error(`redis-server ended with ${code}`)));
      child.stdout!.on("data", (text) => String(text).includes("Ready to accept") && resolve());
    });
  }

  /** Ends it as a power failure of its process would. */
  async kill(): Promise<void> {
    const child = this.#process!;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }

  /** Ends it and removes its folder. */
  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Runs `question` with a client of its own. */
  async ask<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(this.url);
    try {
      return await question(client);
    } finally {
      client.disconnect();
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Asks until the answer is one; fails after `seconds`. */
export async function until<T>(question: () => T | Promise<T>, seconds = 20): Promise<NonNullable<Awaited<T>>> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const answer = await question();
    if (answer) return answer as NonNullable<Awaited<T>>;
    if (performance.now() > end) throw new Error(`It has not come to pass within ${seconds} s`);
    await delay(20);
  }
}
