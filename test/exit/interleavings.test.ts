// Calls, unloads, probes, closes and forgotten models in any order. `npm run test:exit` tells 1,000 such stories, `npm test`
// a few; a story that fails names its seed, and CLIP_BLIP_EXIT_STORY tells that one alone.
import assert from "node:assert/strict";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { BlipModel, Caption, ClipModel } from "clip-blip";
import { it } from "vitest";
import { native } from "../../dist/native/instance.js";
import { assertSameVectors, demoPictures, loadBlip, loadClip } from "../library/models.js";
import { random } from "../unit/support/engine.js";

const STORIES = Number(process.env.CLIP_BLIP_EXIT_STORIES ?? 40);
const ONLY = process.env.CLIP_BLIP_EXIT_STORY;

const pictures = demoPictures.slice(0, 6);
const texts = ["a red circle", "two blue squares", "nothing at all"];

const counters = () => ({
  modules: native().liveModules(),
  jobs: native().liveJobs(),
  bytes: native().memory("cpu").allocated,
});

/** What the models answer when nobody disturbs them. */
interface Expected {
  images: Float32Array[];
  texts: Float32Array[];
  captions: Caption[];
}

/** The reason of every abort. */
class ChangedMind extends Error {}

/** How often what was begun ended in which way. */
const ends = { answered: 0, aborted: 0, closed: 0 };

/** Counts the end of what somebody disturbed. Every other failure is one of the test. */
function disturbed(error: unknown): void {
  if (error instanceof ChangedMind) ends.aborted++;
  else if ((error as { code?: string }).code === "ERR_CLOSED") ends.closed++;
  else throw error;
}

class Story {
  readonly #next: () => number;
  readonly #expected: Expected;
  readonly #clips: ClipModel[] = [];
  readonly #blips: BlipModel[] = [];
  readonly #ends: Promise<void>[] = [];

  constructor(seed: number, expected: Expected) {
    this.#next = random(seed);
    this.#expected = expected;
  }

  async tell(): Promise<void> {
    // Further ones come while these have work.
    const [clip, blip] = await Promise.all([loadClip({ maxBatchSize: 2 }), loadBlip({ maxBatchSize: 2 })]);
    this.#clips.push(clip);
    this.#blips.push(blip);
    const steps = 6 + this.#upTo(20);
    for (let step = 0; step < steps; step++) {
      this.#step();
      await this.#pause();
    }
    const open = [...this.#clips.splice(0), ...this.#blips.splice(0)];
    await Promise.all([...this.#ends, ...open.map((model) => model.close())]);
  }

  #upTo(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  /** The next thing that happens; none of them is waited for. */
  #step(): void {
    const turns = [
      () => this.#loadClip(),
      () => this.#loadBlip(),
      () => this.#encodeImages(),
      () => this.#encodeImages(),
      () => this.#encodeTexts(),
      () => this.#caption(),
      () => this.#caption(),
      () => this.#end(this.#any(this.#clips)?.unload()),
      () => this.#end(this.#any(this.#blips)?.warmup()),
      () => this.#end(this.#any(this.#clips)?.probe()),
      () => this.#close(this.#clips),
      () => this.#close(this.#blips),
      () => this.#forget(this.#clips),
      () => this.#forget(this.#blips),
      () => globalThis.gc!(),
    ];
    turns[this.#upTo(turns.length)]!();
  }

  #any<T>(models: T[]): T | undefined {
    return models[this.#upTo(models.length)];
  }

  /** From no time at all to about a batch. */
  async #pause(): Promise<void> {
    const time = this.#upTo(8);
    if (time < 3) return;
    await (time < 5 ? setImmediate() : sleep(time - 4));
  }

  /** A signal that is aborted at some time, or never. */
  #signal(odds: number): AbortSignal | undefined {
    if (this.#next() > odds) return undefined;
    const controller = new AbortController();
    const time = this.#upTo(30);
    this.#ends.push(sleep(time).then(() => controller.abort(new ChangedMind())));
    return controller.signal;
  }

  #end(work: Promise<unknown> | undefined): void {
    if (!work) return;
    const end = work.then(() => void ends.answered++, disturbed);
    // Looked at when the story is over.
    end.catch(() => {});
    this.#ends.push(end);
  }

  #load<T>(models: T[], load: (signal: AbortSignal | undefined) => Promise<T>): void {
    this.#end(load(this.#signal(0.3)).then((model) => models.push(model)));
  }

  #loadClip(): void {
    this.#load(this.#clips, (signal) => loadClip({ signal, maxBatchSize: 1 + this.#upTo(4) }));
  }

  #loadBlip(): void {
    this.#load(this.#blips, (signal) => loadBlip({ signal, maxBatchSize: 1 + this.#upTo(4) }));
  }

  #encodeImages(): void {
    const some = this.#some(pictures);
    const answer = this.#any(this.#clips)?.encodeImages(some, { signal: this.#signal(0.3) });
    this.#end(answer?.then((vectors) => assertSameVectors(vectors, this.#expected.images.slice(0, some.length))));
  }

  #encodeTexts(): void {
    const some = this.#some(texts);
    const answer = this.#any(this.#clips)?.encodeTexts(some, { signal: this.#signal(0.3) });
    this.#end(answer?.then((vectors) => assertSameVectors(vectors, this.#expected.texts.slice(0, some.length))));
  }

  #caption(): void {
    const some = this.#some(pictures);
    const answer = this.#any(this.#blips)?.caption(some, { signal: this.#signal(0.3) });
    this.#end(answer?.then((captions) => assertSameTokens(captions, this.#expected.captions.slice(0, some.length))));
  }

  /** The first one, or more. */
  #some<T>(inputs: T[]): T[] {
    return inputs.slice(0, 1 + this.#upTo(inputs.length));
  }

  /** From one place or two, and sometimes known to calls that come later. */
  #close(models: (ClipModel | BlipModel)[]): void {
    const model = this.#any(models);
    if (!model) return;
    if (this.#next() < 0.7) models.splice(models.indexOf(model), 1);
    for (let places = 1 + this.#upTo(2); places > 0; places--) this.#end(model.close());
  }

  /** Leaves a model to the garbage collector, with whatever it has to do. */
  #forget(models: unknown[]): void {
    models.splice(this.#upTo(models.length), 1);
  }
}

function assertSameTokens(actual: Caption[], expected: Caption[]): void {
  assert.deepEqual(
    actual.map(({ tokenIds }) => tokenIds),
    expected.map(({ tokenIds }) => tokenIds),
  );
}

/**
 * Waits until all is as before. Garbage goes in turns, as what a finalizer lets go of may hold more; and what an aborted
 * call has on the device, nobody waits for.
 */
async function settled(before: ReturnType<typeof counters>): Promise<void> {
  for (let turn = 0; turn < 30 && !isDeepStrictEqual(counters(), before); turn++) {
    globalThis.gc!();
    await sleep(turn);
  }
  assert.deepEqual(counters(), before);
}

it(`${ONLY ? `story ${ONLY}` : `${STORIES} stories`} of models: each call has its end, and nothing stays`, async (t) => {
  await using clip = await loadClip();
  await using blip = await loadBlip();
  const expected = {
    images: await clip.encodeImages(pictures),
    texts: await clip.encodeTexts(texts),
    captions: await blip.caption(pictures),
  };
  const before = counters();
  const seeds = ONLY ? [Number(ONLY)] : Array.from({ length: STORIES }, (_, index) => index);
  for (const seed of seeds) {
    try {
      await new Story(seed, expected).tell();
      await settled(before);
    } catch (error) {
      throw new Error(`story ${seed}`, { cause: error });
    }
  }
  t.annotate(JSON.stringify(ends));
  if (!ONLY) assert.ok(Math.min(...Object.values(ends)) > STORIES / 4, "stories in which little happens");
});
