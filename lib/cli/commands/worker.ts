import { type Command, Option } from "commander";
import type { BlipModel, ClipModel } from "../../index.js";
import type { JobWorker } from "../../queue/index.js";
import type { PictureAccess } from "../../queue/pictures.js";
import type { CliContext } from "../context.js";
import { UsageError } from "../failures.js";
import { addBothModelsOptions, type BothModelsFlags, loadModel, oneOf, wholeNumber } from "../options.js";

interface WorkerFlags extends BothModelsFlags {
  redis?: string;
  queue?: string;
  prefix?: string;
  only?: "embeddings" | "captions";
  root?: string[];
  allowRemote?: boolean;
  allowAddress?: string[];
  concurrency?: number;
  sink?: string;
  stalledAfter?: number;
  drainTimeout: number;
  metricsPort?: number;
  metricsHost: string;
}

/** `clip-blip worker`: processes jobs from Redis. */
export function addWorker(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  const command = program
    .command("worker")
    .summary("process jobs from the queue in Redis")
    .description(
      "Processes the jobs that `clip-blip serve`, or createJobBackend of clip-blip/queue, puts into the queue, until it " +
        "is stopped. Run any number of workers on any number of machines. If one is lost, the others do its jobs.",
    )
    .addOption(new Option("--redis <url>", "redis://host:port, or rediss:// for TLS").env("REDIS_URL"))
    .option("--queue <name>", "name of the job queue (default: clip-blip)")
    .option("--prefix <name>", "prefix of the keys in Redis (default: bull)")
    .addOption(new Option("--only <type>", "take jobs of this type only").choices(["embeddings", "captions"]));
  addBothModelsOptions(command, context)
    .option("--root <folder...>", "read file: URIs below these folders (default: no files)")
    .option("--allow-remote", "fetch pictures by http: and https: URI, from public addresses")
    .option("--allow-address <range...>", "also fetch from these addresses, such as 10.0.0.0/8")
    .option("--concurrency <n>", "maximum pictures of each type at a time (default: two batches)", wholeNumber(1))
    .option("--sink <file>", "write results to this JSON Lines file, one per worker, instead of Redis")
    .option(
      "--stalled-after <seconds>",
      "silence after which a worker's jobs go to others (default: 30)",
      wholeNumber(1),
    )
    .option("--drain-timeout <seconds>", "time to finish running work on shutdown", wholeNumber(0), 20)
    .option("--metrics-port <port>", "serve metrics for Prometheus at /metrics", wholeNumber(0))
    .option("--metrics-host <address>", "address for --metrics-port", "127.0.0.1")
    .addHelpText(
      "after",
      `
On SIGTERM or Ctrl-C it takes no more jobs, finishes what it has and exits with 0; what takes
longer goes back to the queue. If the device is lost or the sink cannot be written it exits with 1:
have a supervisor restart it.

Examples:
  $ clip-blip worker --redis redis://127.0.0.1:6379 --root /data/photos
  $ REDIS_URL=redis://queue:6379 clip-blip worker --only captions --sink captions.jsonl`,
    )
    .action(async (flags: WorkerFlags) => done(await work(context, flags)));
}

async function work(context: CliContext, flags: WorkerFlags): Promise<number> {
  const { redis } = flags;
  if (!redis) throw new UsageError("worker needs the URL of Redis: set --redis or REDIS_URL.");
  const log = (line: string) => void context.stderr.write(`${new Date().toISOString()} ${line}\n`);
  context.endsItself();
  const access = { roots: flags.root, allowRemote: flags.allowRemote, allowedAddresses: flags.allowAddress };
  const startWorker = await checkedStart(redis, access);
  const metrics = await serveMetrics(flags, log);
  let models: Awaited<ReturnType<typeof loadModels>> = {};
  try {
    models = await loadModels(context, flags);
    const { clip, blip } = models;
    const worker = await startWorker({
      redis,
      queue: flags.queue,
      prefix: flags.prefix,
      clip,
      blip,
      ...access,
      concurrency: flags.concurrency,
      sink: flags.sink,
      stalledAfter: flags.stalledAfter === undefined ? undefined : flags.stalledAfter * 1000,
      signal: context.signal,
      log,
      onPicture: metrics?.onPicture,
      onChunk: metrics?.onChunk,
    });
    log(`Ready for ${[clip && "embeddings", blip && "captions"].filter(Boolean).join(" and ")}`);
    await untilEnd(worker, context.signal, flags.drainTimeout * 1000, log);
    return 0;
  } finally {
    metrics?.close();
    await models.clip?.close();
    await models.blip?.close();
  }
}

/** Checks what can be checked before the models are loaded, which takes time, and gives `startWorker`. */
async function checkedStart(redis: string, access: PictureAccess) {
  const { startWorker } = await import("../../queue/index.js");
  const { addressOf, queuePackages } = await import("../../queue/redis.js");
  const { pictureReader } = await import("../../queue/pictures.js");
  addressOf(redis);
  await queuePackages();
  await pictureReader(access);
  return startWorker;
}

async function loadModels(context: CliContext, flags: WorkerFlags): Promise<{ clip?: ClipModel; blip?: BlipModel }> {
  // The whole library: a worker needs more of it than the commands on files, for which tests replace it.
  const { ClipModel, BlipModel } = (await context.library()) as typeof import("../../index.js");
  const { only } = flags;
  const clip = only === "captions" ? undefined : await loadModel(context, oneOf(flags, "clip"), ClipModel);
  const blip = only === "embeddings" ? undefined : await loadModel(context, oneOf(flags, "blip"), BlipModel);
  return { clip, blip };
}

async function serveMetrics({ metricsPort: port, metricsHost: host }: WorkerFlags, log: (line: string) => void) {
  if (port === undefined) return undefined;
  const { serveWorkerMetrics } = await import("../../queue/metrics.js");
  const metrics = await serveWorkerMetrics({ port, host });
  log(`Metrics at http://${host}:${metrics.port}/metrics`);
  return metrics;
}

/** Waits until the worker ends, by itself or because of an interrupt. */
async function untilEnd(
  worker: JobWorker,
  signal: AbortSignal,
  timeout: number,
  log: (line: string) => void,
): Promise<void> {
  const onAbort = () => {
    log("Shutting down: finishing the work in progress");
    void worker.close({ timeout });
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort);
  await worker.done;
  log("Ended");
}
