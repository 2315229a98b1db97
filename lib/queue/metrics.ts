import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { importPeer } from "../common/peer.js";
import { JOB_TYPES } from "./request.js";
import type { WorkerOptions } from "./worker-options.js";

/** The metrics of a worker, for Prometheus. */
export interface WorkerMetrics extends Required<Pick<WorkerOptions, "onPicture" | "onChunk">> {
  /** The metrics are at `http://<host>:<port>/metrics`. */
  port: number;
  close(): void;
}

/** Seconds: from a picture on a GPU to sixteen long captions on a slow CPU. */
const BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/**
 * Serves metrics at /metrics. `port` 0 takes any free one.
 * @throws ClipBlipError ERR_MODULE_NOT_FOUND; the system's error if the port is taken
 */
export async function serveWorkerMetrics({ port, host }: { port: number; host: string }): Promise<WorkerMetrics> {
  const { default: prometheus } = await importPeer(() => import("prom-client"), "prom-client@15", "--metrics-port");
  const registers = [new prometheus.Registry()];
  prometheus.collectDefaultMetrics({ register: registers[0]! });
  const pictures = new prometheus.Counter({
    name: "clip_blip_worker_pictures_total",
    help: "Pictures finished by this worker, by outcome.",
    labelNames: ["type", "outcome"],
    registers,
  });
  const chunks = new prometheus.Histogram({
    name: "clip_blip_worker_chunk_seconds",
    help: "Time from taking a chunk of a job (up to 16 pictures) to its end.",
    labelNames: ["type"],
    buckets: BUCKETS,
    registers,
  });
  for (const type of JOB_TYPES) for (const outcome of ["done", "failed"]) pictures.inc({ type, outcome }, 0);

  const server = createServer(async ({ url }, response) => {
    if (url !== "/metrics") return response.writeHead(404).end();
    const { contentType } = registers[0]!;
    return response.setHeader("content-type", contentType).end(await registers[0]!.metrics());
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    onPicture: (type, outcome) => pictures.inc({ type, outcome }),
    onChunk: (type, seconds) => chunks.observe({ type }, seconds),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
