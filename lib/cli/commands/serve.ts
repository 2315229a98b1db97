import { once } from "node:events";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { FastifyInstance } from "fastify";
import { packagePath } from "../../common/package-path.js";
import { importPeer } from "../../common/peer.js";
import type { LoadOptions } from "../../models/load-options.js";
import type { ServerOptions } from "../../server/index.js";
import type { CliContext } from "../context.js";
import { UsageError } from "../failures.js";
import { addBothModelsOptions, type BothModelsFlags, oneOf, wholeNumber } from "../options.js";

interface ServeFlags extends BothModelsFlags {
  port: number;
  host: string;
  clip: boolean;
  blip: boolean;
  maxQueue?: number;
  rateLimit?: number;
  allowRemote?: boolean;
  allowAddress?: string[];
  redis?: string;
  queue?: string;
  prefix?: string;
  drainTimeout: number;
  logLevel: string;
}

/** Packages of the service that are not installed with this one: its optional peers. */
const PEERS = [
  "fastify",
  "@fastify/multipart",
  "@fastify/rate-limit",
  "@fastify/static",
  "@fastify/swagger",
  "@fastify/swagger-ui",
  "@fastify/type-provider-typebox",
  "typebox",
  "prom-client",
];

/** Milliseconds for which a service that has lost its device still answers health checks before it exits. */
const LAST_ANSWERS = 5000;

/** `clip-blip serve`: the HTTP service. */
export function addServe(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  const command = program
    .command("serve")
    .summary("run the HTTP service")
    .description(
      "Serves embeddings, captions and classifications over HTTP, also as OpenAI's embeddings API. There is a page to try " +
        "it at /, documentation at /docs, and metrics for Prometheus at /metrics.",
    )
    .option("--port <n>", "port; 0 for any free one", portNumber, 8001)
    .option("--host <address>", "address to listen on; 0.0.0.0 for all addresses of this machine", "127.0.0.1");
  addBothModelsOptions(command, context)
    .option("--no-clip", "run without a CLIP model and its routes")
    .option("--no-blip", "run without a BLIP model and its routes")
    .option("--max-queue <n>", "maximum number of items waiting for a model (default: 256)", wholeNumber(1))
    .option("--rate-limit <n>", "maximum requests per minute and client (default: no limit)", wholeNumber(1))
    .option("--allow-remote", "fetch pictures by http: and https: URL, from public addresses")
    .option("--allow-address <range...>", "also fetch from these addresses, such as 10.0.0.0/8")
    .addOption(
      new Option("--redis <url>", "Redis for the jobs of `clip-blip worker`, redis:// or rediss://").env("REDIS_URL"),
    )
    .option("--queue <name>", "name of the job queue (default: clip-blip)")
    .option("--prefix <name>", "prefix of the keys in Redis (default: bull)")
    .option("--drain-timeout <seconds>", "time to finish running requests on shutdown", wholeNumber(0), 25)
    .addOption(
      new Option("--log-level <level>", "log level (JSON lines on standard output)")
        .choices(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
        .default("info"),
    )
    .addHelpText(
      "after",
      `
If CLIP_BLIP_TOKEN is set, clients must send it as "Authorization: Bearer <token>"; a browser may
send it as the password of its login window. On SIGTERM or Ctrl-C the service takes no more work,
finishes what it has and exits with 0. If the device is lost it exits with 1: have a supervisor
restart it.

Examples:
  $ clip-blip serve
  $ CLIP_BLIP_TOKEN=... clip-blip serve --host 0.0.0.0 --clip-model openai/clip-vit-base-patch32
  $ curl -F file=@photo.jpg http://127.0.0.1:8001/api/v1/captions`,
    )
    .action(async (flags: ServeFlags) => done(await serve(context, flags)));
}

async function serve(context: CliContext, flags: ServeFlags): Promise<number> {
  const { port, host } = flags;
  const { stderr, env, signal } = context;
  const { createServer } = await loadServer();
  if (!flags.clip && !flags.blip) throw new UsageError("serve needs a model: omit --no-clip or --no-blip.");
  const lost = new AbortController();
  const token = env.CLIP_BLIP_TOKEN || undefined;
  if (token === undefined && !isLoopback(host)) {
    stderr.write(
      `clip-blip: anyone who can reach ${host} can use the service: set CLIP_BLIP_TOKEN to require a token\n`,
    );
  }
  context.endsItself();
  const jobs = await openJobs(flags, (line) => void stderr.write(`clip-blip: ${line}\n`));
  const server = createServer({ ...serverOptions(flags), jobs, token, onDeviceLost: () => lost.abort() });
  try {
    const url = await listen(server, port, host);
    stderr.write(`clip-blip: ${url}\n`);
    const either = AbortSignal.any([signal, lost.signal]);
    if (!either.aborted) await once(either, "abort");
    if (!lost.signal.aborted) return 0;
    stderr.write("clip-blip: the device failed, and this process can no longer use it\n");
    await delay(LAST_ANSWERS, undefined, { signal }).catch(() => {});
    return 1;
  } finally {
    await server.close();
  }
}

/** The backend for jobs; undefined without Redis. */
async function openJobs({ redis, queue, prefix }: ServeFlags, log: (line: string) => void) {
  if (!redis) return undefined;
  const { createJobBackend } = await import("../../queue/index.js");
  return createJobBackend({ redis, queue, prefix, log });
}

function serverOptions(flags: ServeFlags): ServerOptions {
  const { clip, blip, device, dtype, batchSize, rateLimit } = flags;
  const sourceOf = (family: "clip" | "blip") => {
    const { model: source, revision, subfolder } = oneOf(flags, family);
    return { source, revision, subfolder };
  };
  return {
    clip: clip && sourceOf("clip"),
    blip: blip && sourceOf("blip"),
    load: {
      // Checked by the library, which knows the devices of this machine.
      device: (device ?? "auto") as LoadOptions["device"],
      dtype: (dtype ?? "auto") as LoadOptions["dtype"],
      maxBatchSize: batchSize ?? "auto",
    },
    maxQueue: flags.maxQueue,
    rateLimit: rateLimit === undefined ? undefined : { max: rateLimit, timeWindow: "1 minute" },
    allowRemote: flags.allowRemote,
    allowedAddresses: flags.allowAddress,
    drainDeadline: flags.drainTimeout * 1000,
    logger: { level: flags.logLevel },
  };
}

/** @throws ClipBlipError ERR_MODULE_NOT_FOUND with the command that installs what is missing */
async function loadServer(): Promise<typeof import("../../server/index.js")> {
  const { peerDependencies } = JSON.parse(readFileSync(packagePath("package.json"), "utf8"));
  const packages = PEERS.map((name) => `${name}@${peerDependencies[name]}`).join(" ");
  const load = async () => {
    const { tuneSharp } = await import("../../input/sharp.js");
    await tuneSharp();
    return import("../../server/index.js");
  };
  return importPeer(load, packages, "serve");
}

async function listen(server: FastifyInstance, port: number, host: string): Promise<string> {
  try {
    return await server.listen({ port, host });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") throw new Error(`Port ${port} is in use: choose another with --port`);
    if (code === "EACCES") throw new Error(`Port ${port} needs more privileges: choose one above 1023 with --port`);
    if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
      throw new Error(`This machine has no address ${host}: choose another with --host`);
    throw error;
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function portNumber(text: string): number {
  const port = wholeNumber(0)(text);
  if (port <= 65_535) return port;
  throw new InvalidArgumentError("The highest port is 65535.");
}
