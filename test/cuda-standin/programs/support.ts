/** What the programs of this folder share: each runs on the stand-in, and prints JSON lines. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
// The addon that the library uses: the sources under lib/ would be a second copy.
import { native } from "../../../dist/native/instance.js";
import { writeRandomClip } from "../../library/random-checkpoint.js";
import { ownControl } from "../control.js";

export const control = ownControl();
export const DEVICE = "cuda:0";

/** Gives one line to the test. */
export const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);

export const memory = (device = DEVICE) => native().memory(device);

/** The code of the error that something ends with; undefined where it goes well. */
export const codeOf = (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => undefined,
    (error: Error & { code?: string }) => error.code ?? error.message,
  );

/**
 * The first value that is as wished, or the last one that was not: what the library does behind an answer comes some
 * time later. The deadline is for what never comes.
 */
export async function settled<T>(read: () => T, wished: (value: T) => boolean): Promise<T> {
  for (let tries = 0; tries < 500 && !wished(read()); tries++) await sleep(20);
  return read();
}

/** Until nothing is given back any more behind a call. */
export async function quiet(): Promise<void> {
  let last = -1;
  await settled(
    () => control.read("frees"),
    (frees) => {
      const same = frees === last;
      last = frees;
      return same;
    },
  );
}

/** The folder of a random model of ViT-B/32's size, which goes with the process. */
export function randomClip(): string {
  const folder = mkdtempSync(join(tmpdir(), "clip-blip-standin-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  writeRandomClip(folder, { width: 768, layers: 12, vocabulary: 10_000, imageSize: 224, patch: 32 });
  return folder;
}
