// Properties of calls: with any values whatever for their options, and for what they are about, they give what they
// promise, or reject with a coded error of one line; and the next good call is right.
import assert from "node:assert/strict";
import { type BlipModel, ClipBlipError, type ClipModel } from "clip-blip";
import fc from "fast-check";
import { afterAll, beforeAll, test } from "vitest";
import { assertSameVectors, loadBlip, loadClip } from "../library/models.js";

const RUNS = { numRuns: Number(process.env.CLIP_BLIP_PROPERTY_RUNS ?? 1000) };

const picture = { data: new Uint8Array(6 * 6 * 3).fill(90), width: 6, height: 6, channels: 3 as const };

let clip: ClipModel;
let blip: BlipModel;
let expected: Float32Array[];
beforeAll(async () => {
  clip = await loadClip();
  blip = await loadBlip();
  expected = await clip.encodeImages([picture]);
});
afterAll(async () => {
  assertSameVectors(await clip.encodeImages([picture]), expected);
  await clip.close();
  await blip.close();
});

const anything = fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true });
const odd = fc.oneof(
  anything,
  fc.constantFrom<unknown>(undefined, true, false, 1),
  fc.constantFrom<unknown>(undefined, null, -1, 0, -0, 0.5, 1, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, "", "1"),
  fc.constantFrom<unknown>(true, [], {}, "a {}", "\ud800", "\0", ["a"], [""], Symbol("x"), 1n, () => {}),
  fc.constantFrom<unknown>(AbortSignal.timeout(2 ** 30), AbortSignal.abort("given up"), new EventTarget()),
);

/** Options by their names, any of them with any value; now and then a name that there is not. */
const optionsOf = (...names: string[]) =>
  fc.oneof(
    { weight: 8, arbitrary: fc.record(Object.fromEntries(names.map((name) => [name, odd])), { requiredKeys: [] }) },
    { weight: 4, arbitrary: fc.constantFrom(...names).chain((name) => odd.map((value) => ({ [name]: value }))) },
    { weight: 1, arbitrary: fc.string().chain((name) => odd.map((value) => ({ [name]: value }))) },
    { weight: 1, arbitrary: odd },
  );

const IMAGE = ["signal", "onProgress", "allowRemote", "maxPixels"];
const GENERATION = [
  ...["maxLength", "maxNewTokens", "minLength", "minNewTokens", "numBeams", "lengthPenalty", "earlyStopping", "seed"],
  ...["numReturnSequences", "repetitionPenalty", "noRepeatNgramSize", "badWords", "doSample", "temperature", "topK"],
  "topP",
];

/** Settles as promised: with a value, a coded error, or the reason of a signal. */
async function settles(call: () => unknown): Promise<boolean> {
  try {
    await call();
    return true;
  } catch (error) {
    if (error === "given up") return false;
    assert.ok(error instanceof ClipBlipError, String((error as Error)?.stack ?? error));
    assert.match(error.code, /^ERR_(INVALID_ARGUMENT|IMAGE_DECODE|IMAGE_TOO_LARGE|TEXT_TOO_LONG)$/);
    assert.doesNotMatch(error.message, /[\n\r]|frame #/);
    return false;
  }
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

// No pictures where nothing but the options counts: what a search of 1000 beams takes is for other tests.
// biome-ignore lint/suspicious/noExplicitAny: whatever a caller without types hands over
const calls: [string, fc.Arbitrary<any>, (options: any) => unknown][] = [
  ["encodeImages", optionsOf("normalize", ...IMAGE), (options) => clip.encodeImages([picture], options)],
  [
    "encodeImageStream",
    optionsOf("normalize", ...IMAGE),
    (options) => drain(clip.encodeImageStream([picture], options)),
  ],
  [
    "encodeTexts",
    optionsOf("normalize", "truncate", "signal", "onProgress"),
    (options) => clip.encodeTexts(["a"], options),
  ],
  ["classify", optionsOf("template", ...IMAGE), (options) => clip.classify([picture], ["a", "b"], options)],
  ["similarity", optionsOf("logits", ...IMAGE), (options) => clip.similarity([picture], ["a"], options)],
  ["caption", optionsOf("prompt", ...GENERATION, ...IMAGE), (options) => blip.caption([], options)],
  ["captionStream", optionsOf("prompt", ...GENERATION, ...IMAGE), (options) => drain(blip.captionStream([], options))],
];
for (const [name, options, call] of calls) {
  test(`${name}: any options are taken or refused`, async () => {
    const counts = { taken: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(options, async (value) => {
        counts[(await settles(() => call(value))) ? "taken" : "refused"]++;
      }),
      RUNS,
    );
    assert.ok(counts.taken > 10 && counts.refused > 10, JSON.stringify(counts));
  });
}

test("any pictures, texts and labels are taken or refused", async () => {
  // A string would be the path of a file.
  const items = fc.oneof(odd, fc.array(fc.oneof(odd, fc.constant(picture)), { maxLength: 3 }));
  const pictures = items.filter((value) => !JSON.stringify(value, withoutBigInt)?.includes('"'));
  function withoutBigInt(_key: string, value: unknown) {
    return typeof value === "bigint" || typeof value === "function" ? 0 : value;
  }
  await fc.assert(
    // biome-ignore lint/suspicious/noExplicitAny: whatever a caller without types hands over
    fc.asyncProperty(pictures, items, fc.nat(6), async (images: any, texts: any, which) => {
      const any = [
        () => clip.encodeImages(images),
        () => clip.encodeTexts(texts),
        () => clip.countTokens(texts),
        () => clip.classify(images, texts),
        () => clip.similarity(images, texts),
        () => blip.caption(images, { prompt: texts, maxLength: 6 }),
        () => drain(clip.encodeImageStream(images)),
      ];
      await settles(any[which]!);
    }),
    RUNS,
  );
});
