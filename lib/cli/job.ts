import { buffer } from "node:stream/consumers";
import type { CliContext } from "./context.js";
import { FailureList } from "./failures.js";
import { expandInputs, STDIN } from "./inputs.js";
import type { StreamItem } from "./library.js";
import { type Failure, failure, keyOf, type Outcome, type Subject } from "./outcome.js";
import type { ResultWriter } from "./output/writer.js";
import { formatSeconds, type ProgressDisplay, showProgress } from "./progress.js";

/** Work on many inputs whose results go to one output. */
export interface Job<V extends object> {
  /** Files, folders and patterns. */
  inputs: string[];
  texts?: string[];
  /** Unit of the progress bar, such as "images". */
  unit: string;
  /** Whether results go to standard output. */
  toStdout: boolean;
  /** Opens the output. Called once the inputs have been expanded. */
  openWriter: () => Promise<ResultWriter<V>>;
  /** The results of the given inputs, in any order; they are those that an earlier run has not done. */
  run: (pictures: Picture[], texts: string[]) => AsyncIterable<Outcome<V>>;
}

/** A picture of a job: a path, or the bytes that came on standard input. */
export type Picture = string | Buffer;

/** Runs a job. Resolves with the exit code: 1 if some inputs failed, else 0. */
export async function runJob<V extends object>(context: CliContext, job: Job<V>): Promise<number> {
  const { paths, missing } = await expandInputs(job.inputs);
  const writer = await job.openWriter();
  const removeCleanup = context.onInterrupt(() => writer.close());
  const start = performance.now();
  try {
    const isNew = (subject: Subject) => !writer.done.has(keyOf(subject));
    const images = paths.filter((input) => isNew({ input }));
    const texts = [...new Set(job.texts)].filter((text) => isNew({ text }));
    const failures = new FailureList();
    const write = async (outcome: Outcome<V>) => {
      if ("error" in outcome) failures.add(outcome);
      await writer.write(outcome);
    };
    for (const outcome of missing) await write(outcome);
    if (images.length + texts.length > 0) await runAll(context, job, images, texts, write);
    const total = images.length + texts.length + missing.length;
    if (failures.count > 0) {
      context.stderr.write(failures.report(`of ${total} inputs failed; their errors are among the results`));
    }
    const before = paths.length + new Set(job.texts).size - images.length - texts.length;
    if (showsSummary(context, job)) {
      const done = { total: total - failures.count, failed: failures.count, before };
      context.stderr.write(summary(job.unit, done, (performance.now() - start) / 1000));
    }
    return failures.count > 0 ? 1 : 0;
  } finally {
    removeCleanup();
    await writer.close();
  }
}

/** A summary is for people: not beside results on a terminal, and not where both outputs go to a program. */
function showsSummary<V extends object>({ stdout, stderr }: CliContext, { toStdout }: Job<V>): boolean {
  return !toStdout || (stderr.isTTY === true && !stdout.isTTY);
}

/** Such as "clip-blip: 14 images in 2.3 s, 1 failed, 3 were there already." */
export function summary(
  unit: string,
  { total, failed, before }: { total: number; failed: number; before: number },
  seconds: number,
): string {
  const parts = [
    `${total} ${total === 1 ? unit.replace(/s$/, "") : unit} in ${formatSeconds(seconds)}`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(before > 0 ? [`${before} were there already`] : []),
  ];
  return `clip-blip: ${parts.join(", ")}.\n`;
}

async function runAll<V extends object>(
  context: CliContext,
  job: Job<V>,
  images: string[],
  texts: string[],
  write: (outcome: Outcome<V>) => Promise<void>,
): Promise<void> {
  const { unit, toStdout } = job;
  let progress: ProgressDisplay | undefined;
  const pictures = await Promise.all(images.map((path) => (path === STDIN ? buffer(context.stdin) : path)));
  try {
    for await (const outcome of job.run(pictures, texts)) {
      // Started with the first result, so that loading time does not count.
      progress ??= await showProgress(context, { total: images.length + texts.length, unit, toStdout });
      context.signal.throwIfAborted();
      await write(outcome);
      progress.step();
    }
  } finally {
    progress?.stop();
  }
}

/** What a picture is called in results. */
export function nameOf(picture: unknown): string {
  return typeof picture === "string" ? picture : STDIN;
}

/** Turns an item of the library's streams into a line of results. */
export function outcomeOf<V extends object, W extends object>(item: StreamItem<V>, value: (item: V) => W): Outcome<W> {
  const subject = { input: nameOf(item.input) };
  if (!("error" in item)) return { ...subject, ...value(item as V) };
  // Every further input would fail the same way.
  if (item.error.code === "ERR_DEVICE_LOST" || item.error.code === "ERR_CLOSED") throw item.error;
  return { ...subject, ...(failure(item.error) satisfies Failure) };
}
