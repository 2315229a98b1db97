import type { ChannelListener } from "node:diagnostics_channel";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { type BatchEvent, batchChannel, type PreparationEvent, preparationChannel } from "../engine/events.js";
import type { Service } from "./service.js";

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const ITEMS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/**
 * The metrics for Prometheus. Those of the engine are for the whole process, including models outside the service,
 * which share its device.
 */
export class Metrics {
  readonly registry = new Registry();
  readonly #requests: Counter<"method" | "route" | "status">;
  readonly #requestSeconds: Histogram<"method" | "route">;
  readonly #onBatch: ChannelListener;
  readonly #onPreparation: ChannelListener;

  constructor(service: Service) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#requests = new Counter({
      name: "clip_blip_http_requests_total",
      help: "Requests; status 499 means that the client disconnected before the response.",
      labelNames: ["method", "route", "status"],
      registers,
    });
    this.#requestSeconds = new Histogram({
      name: "clip_blip_http_request_duration_seconds",
      help: "Seconds from a request's headers to the end of its response.",
      labelNames: ["method", "route"],
      buckets: SECONDS,
      registers,
    });
    this.#onBatch = this.#batches();
    this.#onPreparation = this.#preparations();
    batchChannel.subscribe(this.#onBatch);
    preparationChannel.subscribe(this.#onPreparation);
    this.#state(service);
  }

  /** Counts a request that has ended. */
  ended({ method, routeOptions }: FastifyRequest, reply: FastifyReply, answered: boolean): void {
    // Unknown paths share one label, so that a scanner does not create a series for each.
    const route = routeOptions.url ?? "none";
    this.#requests.inc({ method, route, status: answered ? reply.statusCode : 499 });
    this.#requestSeconds.observe({ method, route }, reply.elapsedTime / 1000);
  }

  close(): void {
    batchChannel.unsubscribe(this.#onBatch);
    preparationChannel.unsubscribe(this.#onPreparation);
  }

  #batches(): ChannelListener {
    const registers = [this.registry];
    const labelNames = ["operation", "device"] as const;
    const queueSeconds = new Histogram({
      name: "clip_blip_queue_seconds",
      help: "Seconds for which prepared items waited for the device.",
      labelNames,
      buckets: SECONDS,
      registers,
    });
    const inferenceSeconds = new Histogram({
      name: "clip_blip_inference_seconds",
      help: "Seconds that a batch took on the device.",
      labelNames,
      buckets: SECONDS,
      registers,
    });
    const batchItems = new Histogram({
      name: "clip_blip_batch_items",
      help: "Items in a batch.",
      labelNames,
      buckets: ITEMS,
      registers,
    });
    const items = new Counter({
      name: "clip_blip_items_total",
      help: "Items processed on the device, by outcome.",
      labelNames: [...labelNames, "outcome"],
      registers,
    });
    const splits = new Counter({
      name: "clip_blip_batch_splits_total",
      help: "Batches that ran out of memory and were split.",
      labelNames,
      registers,
    });
    return (message) => {
      const { operation, device, items: count, failed, waits, seconds, splits: halved } = message as BatchEvent;
      const labels = { operation, device };
      for (const wait of waits) queueSeconds.observe(labels, wait);
      inferenceSeconds.observe(labels, seconds);
      batchItems.observe(labels, count);
      items.inc({ ...labels, outcome: "ok" }, count - failed);
      items.inc({ ...labels, outcome: "failed" }, failed);
      splits.inc(labels, halved);
    };
  }

  #preparations(): ChannelListener {
    const seconds = new Histogram({
      name: "clip_blip_preprocess_seconds",
      help: "Seconds for decoding and resizing a picture.",
      buckets: SECONDS,
      registers: [this.registry],
    });
    const pictures = new Counter({
      name: "clip_blip_pictures_total",
      help: "Pictures, by whether they could be decoded.",
      labelNames: ["outcome"],
      registers: [this.registry],
    });
    return (message) => {
      const { seconds: taken, failed } = message as PreparationEvent;
      seconds.observe(taken);
      pictures.inc({ outcome: failed ? "undecodable" : "decoded" });
    };
  }

  /** The metrics that are read from the service when Prometheus asks. */
  #state({ clip, blip, bodies }: Service): void {
    const registers = [this.registry];
    const models = Object.entries({ clip, blip }).flatMap(([name, model]) => (model ? [{ name, model }] : []));
    new Gauge({
      name: "clip_blip_queue_items",
      help: "Items that are waiting or being processed, including those of requests still being received.",
      labelNames: ["model"],
      registers,
      collect() {
        for (const { name, model } of models) this.set({ model: name }, model.gate.depth);
      },
    });
    new Gauge({
      name: "clip_blip_pending_body_bytes",
      help: "Bytes of request bodies in memory.",
      registers,
      collect() {
        this.set(bodies.bytes);
      },
    });
    new Gauge({
      name: "clip_blip_model_ready",
      help: "1 if the model is warmed up and its last inference worked.",
      labelNames: ["model"],
      registers,
      collect() {
        for (const { name, model } of models) this.set({ model: name }, model.works ? 1 : 0);
      },
    });
    new Gauge({
      name: "clip_blip_device_memory_bytes",
      help: "Memory of the devices: free, total, allocated by tensors, and peak of that.",
      labelNames: ["device", "kind"],
      registers,
      collect() {
        for (const { model } of models) {
          const capabilities = model.capabilities();
          if (!capabilities) continue;
          const { device, memory } = capabilities;
          for (const [kind, bytes] of Object.entries(memory)) this.set({ device, kind }, bytes);
        }
      },
    });
  }
}
