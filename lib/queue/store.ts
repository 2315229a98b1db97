import type { Redis } from "ioredis";
import type { JobResult, JobStatus } from "../models/jobs.js";
import type { Names } from "./names.js";
import { decodeOutcome, encodeOutcome, encodeSinkMarker, isFailure, type Outcome, sinkLine } from "./outcome.js";
import type { ParsedRequest, Picture } from "./request.js";
import { runScript } from "./scripts.js";

/** Milliseconds after which an unfinished job that no worker touches is forgotten. */
const UNFINISHED_TTL = 30 * 24 * 3600 * 1000;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Fields of a hash that one command reads; Redis is blocked meanwhile. */
const SCAN_COUNT = 500;

/** The jobs in Redis: their progress, and the outcome of each picture. */
export class JobStore {
  readonly #redis: Redis;
  readonly #names: Names;
  readonly #resultTtl: number;

  /** `resultTtl`: milliseconds that results are kept after the end of their job. */
  constructor(redis: Redis, names: Names, resultTtl: number) {
    this.#redis = redis;
    this.#names = names;
    this.#resultTtl = resultTtl;
  }

  /** Creates a job. */
  async create(id: string, { task, pictures }: ParsedRequest): Promise<void> {
    const values = [UNFINISHED_TTL, "type", task.type, "total", pictures.length, "createdAt", Date.now()];
    await runScript(this.#redis, "create", [this.#names.job(id)], values);
  }

  /** Removes a job. Workers skip its chunks. */
  async remove(id: string): Promise<void> {
    await this.#redis.unlink(this.#names.job(id), this.#names.outcomes(id), this.#names.suspects(id));
  }

  async status(id: string): Promise<JobStatus | undefined> {
    // Other ids could lead to keys that are not of jobs.
    if (!UUID.test(id)) return undefined;
    const fields = await this.#redis.hgetall(this.#names.job(id));
    if (fields.total === undefined) return undefined;
    const progress = { done: Number(fields.done), failed: Number(fields.failed), total: Number(fields.total) };
    if (fields.finishedAt === undefined) {
      return { id, state: fields.startedAt === undefined ? "waiting" : "active", progress };
    }
    return { id, state: "completed", progress, results: await this.#results(id) };
  }

  /** Marks a job as started. Resolves with the pictures that have no outcome yet; undefined if there is no such job. */
  async begin(id: string, pictures: Picture[]): Promise<Picture[] | undefined> {
    const keys = [this.#names.job(id), this.#names.outcomes(id)];
    const values = [Date.now(), UNFINISHED_TTL, ...pictures.map(({ key }) => key)];
    const missing = (await runScript(this.#redis, "begin", keys, values)) as number[] | null;
    return missing?.map((position) => pictures[position]!);
  }

  /** Keeps the outcome of a picture. Resolves with whether it is the picture's first. */
  readonly keep = async (id: string, { index, key }: Picture, outcome: Outcome): Promise<boolean> => {
    const values = [key, encodeOutcome(index, outcome), isFailure(outcome) ? 1 : 0, Date.now(), this.#resultTtl];
    return (await runScript(this.#redis, "commit", this.#jobKeys(id), values)) === 1;
  };

  /** Keeps the outcome of a picture as a line of a sink. Resolves with the line if this sink must write it. */
  async commitToSink(id: string, picture: Picture, outcome: Outcome, sink: string): Promise<string | undefined> {
    const { index, key } = picture;
    const line = sinkLine(id, picture, outcome);
    const keys = [this.#names.job(id), this.#names.outcomes(id), this.#names.outbox(sink)];
    const values = [key, encodeSinkMarker(index, outcome), outboxField(id, key), line];
    return (await runScript(this.#redis, "commitToSink", keys, values)) === 1 ? line : undefined;
  }

  /** Counts a picture whose line has been written to its sink. */
  async deliver(id: string, key: string, sink: string, failed: boolean): Promise<void> {
    const keys = [...this.#jobKeys(id), this.#names.outbox(sink)];
    const values = [outboxField(id, key), failed ? 1 : 0, Date.now(), this.#resultTtl];
    await runScript(this.#redis, "deliver", keys, values);
  }

  /** The lines of a sink that are not known to be in its file. */
  async outbox(sink: string): Promise<string[]> {
    return Object.values(await this.#redis.hgetall(this.#names.outbox(sink)));
  }

  /** Notes that a picture is processed alone. Resolves with how often it has been, including this time. */
  async suspect(id: string, key: string): Promise<number> {
    const name = this.#names.suspects(id);
    return (await runScript(this.#redis, "suspect", [name], [key, UNFINISHED_TTL])) as number;
  }

  /** Withdraws the note of `suspect`, because the worker has survived the picture. */
  async acquit(id: string, key: string): Promise<void> {
    await this.#redis.hdel(this.#names.suspects(id), key);
  }

  /** Takes or extends the lease on a sink for `ttl` milliseconds. False if another worker has it. */
  async lease(sink: string, worker: string, ttl: number): Promise<boolean> {
    return (await runScript(this.#redis, "lease", [this.#names.sinkWriter(sink)], [worker, ttl])) === 1;
  }

  /** Gives up the lease on a sink. */
  async release(sink: string, worker: string): Promise<void> {
    await runScript(this.#redis, "release", [this.#names.sinkWriter(sink)], [worker]);
  }

  async #results(id: string): Promise<JobResult[]> {
    const byIndex = new Map<number, JobResult>();
    for await (const fields of this.#redis.hscanStream(this.#names.outcomes(id), { count: SCAN_COUNT })) {
      for (let position = 0; position < fields.length; position += 2) {
        const decoded = decodeOutcome(fields[position], fields[position + 1]);
        // A scan may return a field twice.
        if (decoded) byIndex.set(decoded.index, decoded.result);
      }
    }
    return [...byIndex].sort(([one], [other]) => one - other).map(([, result]) => result);
  }

  #jobKeys(id: string): string[] {
    return [this.#names.job(id), this.#names.outcomes(id), this.#names.suspects(id)];
  }
}

/** The id ends at the first space: ids have none. */
function outboxField(id: string, key: string): string {
  return `${id} ${key}`;
}
