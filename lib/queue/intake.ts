import type { Job, Worker } from "bullmq";
import type { Chunk } from "./chunks.js";

/**
 * Makes a worker take enough chunks to keep the device busy and no more, since other workers cannot take what it holds.
 * BullMQ counts chunks, but these hold from one to sixteen pictures.
 */
export class Intake {
  readonly #worker: Worker<Chunk>;
  readonly #target: number;
  readonly #pictures = new Map<string, number>();

  /** `target`: number of pictures at which no further chunk is taken. */
  constructor(worker: Worker<Chunk>, target: number) {
    this.#worker = worker;
    this.#target = target;
    worker.concurrency = target;
    // Emitted when a chunk has arrived, before the next one is requested.
    worker.on("active", (job) => {
      this.#pictures.set(job.id!, job.data.pictures.length);
      this.#adjust();
    });
    for (const end of ["completed", "failed"] as const) {
      worker.on(end, (job: Job<Chunk> | undefined) => job && this.left(job));
    }
  }

  /** Number of chunks in progress. */
  get chunks(): number {
    return this.#pictures.size;
  }

  /** Called when a chunk is done or was handed back. */
  left(job: Job<Chunk>): void {
    if (this.#pictures.delete(job.id!)) this.#adjust();
  }

  #adjust(): void {
    let held = 0;
    for (const pictures of this.#pictures.values()) held += pictures;
    this.#worker.concurrency = held < this.#target ? this.#target : Math.max(1, this.#pictures.size);
  }
}
