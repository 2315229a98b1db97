import assert from "node:assert/strict";
import { join } from "node:path";
import { beforeAll, test } from "vitest";
import { native } from "../../lib/native/instance.js";
import type { GenerationSettings, ModuleHandle } from "../../lib/native/types.js";
import { END, fakeBlipSpec, PAD, VOCABULARY } from "./fake-blip.js";
import { Checkpoint, CPU, GREEDY, plainPictures, RUN, rejects, temporaryFolder } from "./helpers.js";

const OPTIONS: GenerationSettings = { ...GREEDY, endTokenId: END, padTokenId: PAD };
const LENGTHS = { maxLength: 10, minLength: 0, seed: 0 };

let blip: ModuleHandle;
const checkpoint = new Checkpoint(join(temporaryFolder(), "weights"));

beforeAll(async () => {
  blip = await native().buildModule(fakeBlipSpec(checkpoint), CPU);
});

async function caption(
  rows: { red: number; prompt: number[] }[],
  { maxLength, minLength, seed, ...options }: Partial<GenerationSettings & typeof LENGTHS> = {},
) {
  const batch = plainPictures(rows.map(({ red }) => [red, 0, 0]));
  const lengths = { ...LENGTHS, ...defined({ maxLength, minLength, seed }) };
  const prompts = rows.map(({ prompt }) => ({ ids: Int32Array.from(prompt), ...lengths }));
  const result = await native().caption(blip, batch, prompts, { ...OPTIONS, ...options }, RUN);
  return { ...result, sequences: result.sequences.map((sequence) => [...sequence]) };
}

const defined = <T extends object>(values: T) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

const row = (red: number, ...prompt: number[]) => ({ red, prompt });

/** log_softmax of the best logit. */
const total = Math.log(Math.exp(2) + Math.exp(1) + VOCABULARY - 2);
const BEST = 2 - total;

function close(actual: ArrayLike<number>, expected: number[]): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of expected.entries()) {
    assert.ok(Math.abs(actual[i]! - value) < 1e-5, `${actual[i]} is not ${value}`);
  }
}

test("one row, to the end token", async () => {
  const { sequences, scores, peakBytes } = await caption([row(0, 5)]);
  assert.deepEqual(sequences, [[5, 6, 7, 8, 9]]);
  close(scores, [BEST]);
  assert.ok(peakBytes > 0);
});

test("rows end at different steps, and each sees its own picture", async () => {
  const { sequences, scores } = await caption([row(0, 8), row(1, 1), row(0, 3), row(2, 0)]);
  assert.deepEqual(sequences, [
    [8, 9],
    [1, 3, 5, 7, 9],
    [3, 4, 5, 6, 7, 8, 9],
    [0, 3, 6, 9],
  ]);
  close(scores, [BEST, BEST, BEST, BEST]);
});

test("prompts of different lengths need no padding, and are not scored", async () => {
  const { sequences, scores } = await caption([row(0, 2, 4, 6), row(0, 7), row(0, 1, 1, 1, 1, 5), row(0, 2, 8)]);
  assert.deepEqual(sequences, [
    [2, 4, 6, 7, 8, 9],
    [7, 8, 9],
    [1, 1, 1, 1, 5, 6, 7, 8, 9],
    [2, 8, 9],
  ]);
  close(scores, [BEST, BEST, BEST, BEST]);
});

test("an end token in a prompt is a token like any other", async () => {
  assert.deepEqual((await caption([row(0, END, 7), row(0, 8)])).sequences, [
    [9, 7, 8, 9],
    [8, 9],
  ]);
});

test("maxLength counts the prompt and the end token", async () => {
  assert.deepEqual((await caption([row(0, 1), row(0, 7)], { maxLength: 4 })).sequences, [
    [1, 2, 3, 4],
    [7, 8, 9],
  ]);
  assert.deepEqual((await caption([row(0, 7)], { maxLength: 3 })).sequences, [[7, 8, 9]]);
  assert.deepEqual((await caption([row(0, 7)], { maxLength: 2 })).sequences, [[7, 8]]);
  assert.deepEqual((await caption([row(0, 1, 2, 3), row(0, 7)], { maxLength: 4 })).sequences, [
    [1, 2, 3, 4],
    [7, 8, 9],
  ]);
});

test("minLength keeps the end token back", async () => {
  // From 8 the best is END; kept back, the second best comes, whose probability has no END in it any more.
  const { sequences, scores } = await caption([row(0, 8)], { minLength: 3, maxLength: 5 });
  assert.deepEqual(sequences, [[8, 11, 0, 1, 2]]);
  const first = 1 - Math.log(Math.exp(1) + VOCABULARY - 2);
  const second = 2 - Math.log(Math.exp(2) + Math.exp(1) + VOCABULARY - 3);
  close(scores, [(first + second + 2 * BEST) / 4]);
  // As transformers: kept back while the sequence so far is shorter than minLength.
  assert.deepEqual((await caption([row(0, 7)], { minLength: 2 })).sequences, [[7, 8, 9]]);
  assert.equal((await caption([row(0, 7)], { minLength: 3 })).sequences[0]![2], 11);
});

test("half precision takes the same tokens", async () => {
  const half = await native().buildModule(fakeBlipSpec(checkpoint), { device: "cpu", dtype: "bfloat16" });
  const prompts = [[5], [2, 6]].map((ids) => ({ ids: Int32Array.from(ids), ...LENGTHS }));
  const result = await native().caption(
    half,
    plainPictures([
      [0, 0, 0],
      [0, 0, 0],
    ]),
    prompts,
    OPTIONS,
    RUN,
  );
  assert.deepEqual(
    result.sequences.map((ids) => [...ids]),
    [
      [5, 6, 7, 8, 9],
      [2, 6, 7, 8, 9],
    ],
  );
});

test("beams give the best texts first, and each has the score of its tokens", async () => {
  const second = 1 - total;
  // From 6: 7 8 9 by the best token each time, or 9 at once by the second best.
  const { sequences, scores } = await caption([row(0, 6)], {
    numBeams: 2,
    numReturnSequences: 2,
    lengthPenalty: 0,
    earlyStopping: "never",
  });
  assert.deepEqual(sequences, [
    [6, 9],
    [6, 7, 8, 9],
  ]);
  close(scores, [second, 3 * BEST]);
  const mean = await caption([row(0, 6)], { numBeams: 2 });
  assert.deepEqual(mean.sequences, [[6, 7, 8, 9]]);
  close(mean.scores, [BEST]);
});

test("pictures that are done leave the batch, and the others go on as if alone", async () => {
  const rows = [row(0, 8), row(0, 7), row(0, 0), row(1, 2), row(0, 8), row(0, 1), row(0, 10), row(2, 3), row(0, 8)];
  for (const options of [{}, { numBeams: 3 }, { doSample: true, numReturnSequences: 2 }]) {
    const together = await caption(rows, { ...options, maxLength: 14, seed: 7 });
    const count = options.numReturnSequences ?? 1;
    assert.ok(new Set(together.sequences.map(({ length }) => length)).size > 1, "they end at different steps");
    for (const [index, one] of rows.entries()) {
      const alone = await caption([one], { ...options, maxLength: 14, seed: 7 });
      assert.deepEqual(together.sequences.slice(index * count, (index + 1) * count), alone.sequences);
      close(together.scores.slice(index * count, (index + 1) * count), [...alone.scores]);
    }
  }
});

test("bad words, repeated tokens and sequences are not written", async () => {
  // Words: 6 is banned, so 8 comes after 5; "7 8" is, so 10 comes after 7.
  assert.deepEqual((await caption([row(0, 5)], { badWords: [Int32Array.of(6)] })).sequences, [[5, 8, 9]]);
  assert.deepEqual((await caption([row(0, 7, 7)], { badWords: [Int32Array.of(7, 8)], maxLength: 4 })).sequences, [
    [7, 7, 10, 11],
  ]);
  // As in transformers, the end token alone is no word, and a phrase needs a text that is as long.
  assert.deepEqual((await caption([row(0, 8)], { badWords: [Int32Array.of(END)] })).sequences, [[8, 9]]);
  assert.deepEqual((await caption([row(0, 7)], { badWords: [Int32Array.of(7, 8)], maxLength: 2 })).sequences, [[7, 8]]);
  // From 3 with red 11 the best token is 3 itself, the second best 5, from which 5 comes and then 7.
  assert.deepEqual((await caption([row(11, 3)], { maxLength: 4 })).sequences, [[3, 3, 3, 3]]);
  assert.deepEqual((await caption([row(11, 3)], { maxLength: 5, noRepeatNgramSize: 1 })).sequences, [[3, 5, 7, 9]]);
  assert.deepEqual((await caption([row(11, 3)], { maxLength: 5, noRepeatNgramSize: 2 })).sequences, [[3, 3, 5, 5, 7]]);
  assert.deepEqual((await caption([row(11, 3)], { maxLength: 3, repetitionPenalty: 2.1 })).sequences, [[3, 5, 7]]);
});

test("what does not fit is refused", async () => {
  await rejects(caption([row(0)]), "INVALID_ARGUMENT");
  await rejects(caption([row(0, 1, 2, 3)], { maxLength: 3 }), "INVALID_ARGUMENT", /3/);
  await rejects(caption([row(0, 1)], { maxLength: 1 }), "INVALID_ARGUMENT");
  await rejects(caption([row(0, 1)], { maxLength: 0 }), "INVALID_ARGUMENT");
  await rejects(caption([row(0, 1)], { minLength: -1 }), "INVALID_ARGUMENT");
  await rejects(caption([row(0, -1)]), "INVALID_ARGUMENT");
  await rejects(caption([row(0, 1)], { endTokenId: VOCABULARY }), "INVALID_ARGUMENT");
  await rejects(caption([row(0, 1)], { endTokenId: -1 }), "INVALID_ARGUMENT");
  const batch = plainPictures([[0, 0, 0]]);
  const one = { ids: Int32Array.of(1), ...LENGTHS };
  await rejects(native().caption(blip, batch, [], OPTIONS, RUN), "INVALID_ARGUMENT");
  await rejects(native().caption(blip, batch, [[1]] as never, OPTIONS, RUN), "INVALID_ARGUMENT");
  for (const options of [
    { numBeams: 0 },
    { numReturnSequences: 2 },
    { numBeams: 2, numReturnSequences: 3 },
    { earlyStopping: "sometimes" },
    { repetitionPenalty: 0 },
    { noRepeatNgramSize: -1 },
    { badWords: [Int32Array.of()] },
    { badWords: [Int32Array.of(VOCABULARY)] },
    { badWords: [[1]] },
    { temperature: 0 },
    { topK: -1 },
    { topP: 0 },
    { seed: -1 },
    { seed: 0.5 },
  ]) {
    await rejects(caption([row(0, 1)], options as never), "INVALID_ARGUMENT");
  }
  await rejects(native().caption(blip, batch, [one], OPTIONS, { ...RUN, memoryLimit: 100 }), "OUT_OF_MEMORY");
  const { ints, ...spec } = fakeBlipSpec(checkpoint);
  const { text_heads: _, ...fewer } = ints;
  const broken = await native().buildModule({ ...spec, ints: fewer as Record<string, number> }, CPU);
  await rejects(native().caption(broken, batch, [one], OPTIONS, RUN), "MODEL_INVALID", /text_heads/);
});
