import type { LimitFunction } from "p-limit";
import { asClipBlipError, ClipBlipError } from "../common/errors.js";
import type { ImageInput } from "../input/types.js";
import type { Chunk } from "./chunks.js";
import { isFailure, type Outcome } from "./outcome.js";
import type { PictureReader } from "./pictures.js";
import type { Picture, Task } from "./request.js";
import type { JobStore } from "./store.js";
import { endsWorker, verdictOf } from "./verdict.js";

/** Number of workers that may be lost while they process a picture alone, before the picture is blamed. */
const MAX_LOSSES = 3;

/** Keeps the outcome of a picture. Resolves with whether it is the picture's first. */
export type Keep = (job: string, picture: Picture, outcome: Outcome) => Promise<boolean>;

/** How a chunk is run. */
export interface ChunkRunnerOptions {
  store: JobStore;
  read: PictureReader;
  /** Runs the model on one picture; calls that come together share batches. */
  infer: (image: ImageInput, task: Task) => Promise<Outcome>;
  /** Limits the pictures in memory, over all chunks. */
  limit: LimitFunction;
  keep: Keep;
  onPicture: (type: Task["type"], outcome: "done" | "failed") => void;
  /** Called as soon as this process cannot continue. */
  onFailure: (error: Error) => void;
}

/** How one attempt at a chunk goes. */
export interface Attempt {
  /** Whether pictures that fail now have failed for good. */
  last: boolean;
  /** Process one picture at a time and note which, because a worker has been lost with this chunk. */
  careful: boolean;
  /** When aborted, no further picture is started; those in progress finish. */
  signal: AbortSignal;
}

/** A chunk was left unfinished, and other workers do the rest. */
export class UnfinishedError extends Error {}

/** What became of a picture in an attempt: it has its outcome, was not started, or failed and may yet succeed. */
type End = "kept" | "left" | ClipBlipError;

/** Processes chunks: reads each picture that has no outcome yet, runs the model, and keeps the outcome. */
export class ChunkRunner {
  readonly #options: ChunkRunnerOptions;

  constructor(options: ChunkRunnerOptions) {
    this.#options = options;
  }

  /**
   * Resolves when every picture has its outcome.
   * @throws UnfinishedError after the signal; ClipBlipError if some pictures failed and may yet succeed, or if this
   * process cannot continue
   */
  async run(chunk: Chunk, attempt: Attempt): Promise<void> {
    const missing = await this.#options.store.begin(chunk.job, chunk.pictures);
    // The job has expired or been removed.
    if (!missing) return;
    const ends = attempt.careful
      ? await this.#oneByOne(chunk, missing, attempt)
      : await allOf(missing.map((picture) => this.#runPicture(chunk, picture, attempt)));
    if (ends.includes("left")) throw new UnfinishedError();
    const failures = ends.filter((end) => typeof end !== "string");
    if (failures.length === 0) return;
    const [{ code, message, cause }] = failures as [ClipBlipError];
    throw new ClipBlipError(code, `${failures.length} of ${ends.length} pictures failed: ${message}`, { cause });
  }

  /** Ends a chunk that BullMQ has given up: `error` becomes the outcome of every picture that has none. */
  async abandon(chunk: Chunk, error: ClipBlipError): Promise<void> {
    const missing = await this.#options.store.begin(chunk.job, chunk.pictures);
    for (const picture of missing ?? []) await this.#keep(chunk, picture, { error });
  }

  async #oneByOne(chunk: Chunk, pictures: Picture[], attempt: Attempt): Promise<End[]> {
    const { store } = this.#options;
    const ends: End[] = [];
    for (const picture of pictures) {
      if (attempt.signal.aborted) return [...ends, "left"];
      if ((await store.suspect(chunk.job, picture.key)) > MAX_LOSSES) {
        const message = `${MAX_LOSSES} workers were lost while they processed only this picture`;
        await this.#keep(chunk, picture, { error: new ClipBlipError("ERR_INTERNAL", message) });
        continue;
      }
      ends.push(await this.#runPicture(chunk, picture, attempt));
      await store.acquit(chunk.job, picture.key);
    }
    return ends;
  }

  async #runPicture(chunk: Chunk, picture: Picture, attempt: Attempt): Promise<End> {
    const outcome = await this.#options.limit(() => this.#infer(chunk.task, picture, attempt.signal));
    if (outcome === "left") return outcome;
    if (outcome instanceof ClipBlipError) {
      const verdict = verdictOf(outcome);
      if (verdict === "worker") throw outcome;
      if (verdict === "later" && !attempt.last) return outcome;
    }
    await this.#keep(chunk, picture, outcome instanceof ClipBlipError ? { error: outcome } : outcome);
    return "kept";
  }

  async #infer(task: Task, { uri }: Picture, signal: AbortSignal): Promise<Outcome | ClipBlipError | "left"> {
    if (signal.aborted) return "left";
    let image: ImageInput;
    try {
      image = await this.#options.read(uri, signal);
    } catch (error) {
      return signal.aborted ? "left" : asClipBlipError(error);
    }
    try {
      return await this.#options.infer(image, task);
    } catch (error) {
      const failure = asClipBlipError(error);
      if (endsWorker(failure)) this.#options.onFailure(failure);
      return failure;
    }
  }

  async #keep({ job, task }: Chunk, picture: Picture, outcome: Outcome): Promise<void> {
    const first = await this.#options.keep(job, picture, outcome);
    if (first) this.#options.onPicture(task.type, isFailure(outcome) ? "failed" : "done");
  }
}

/** Like Promise.all, but it settles only when all promises have. */
async function allOf<T>(promises: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
