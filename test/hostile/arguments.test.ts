import assert from "node:assert/strict";
import type { BlipModel, ClipModel, EncodeImagesOptions, ErrorCode, ImageInput } from "clip-blip";
import { afterAll, beforeAll, describe, it } from "vitest";
import { assertSameVectors, demoPictures, loadBlip, loadClip } from "../library/models.js";
import { outcomeOf, processorTime, refuses } from "./measure.js";

const good = demoPictures[0]!;

let clip: ClipModel;
let blip: BlipModel;
let expected: Float32Array;
beforeAll(async () => {
  clip = await loadClip();
  blip = await loadBlip();
  expected = (await clip.encodeImages([good]))[0]!;
});
afterAll(async () => {
  await clip.close();
  await blip.close();
});

const nextCallIsRight = async () => assertSameVectors(await clip.encodeImages([good]), [expected]);

function detached(length: number): ArrayBuffer {
  const buffer = new ArrayBuffer(length);
  structuredClone(buffer, { transfer: [buffer] });
  return buffer;
}

function throwing(): never {
  throw new Error("a getter that throws");
}

const pixels = (fields: object) => ({ data: new Uint8Array(300), width: 10, height: 10, channels: 3, ...fields });
const wrong = (value: unknown) => value as ImageInput;

describe("pictures of a hostile caller", () => {
  const cases: [string, () => ImageInput][] = [
    ["raw pixels of a detached buffer", () => wrong(pixels({ data: detached(300) }))],
    [
      "raw pixels of an array over a detached buffer",
      () => {
        const data = new Uint8Array(300);
        structuredClone(data.buffer, { transfer: [data.buffer] });
        return wrong(pixels({ data }));
      },
    ],
    ["raw pixels of floats", () => wrong(pixels({ data: new Float32Array(300) }))],
    ["raw pixels of numbers", () => wrong(pixels({ data: new Array(300).fill(0) }))],
    ["raw pixels of NaN columns", () => wrong(pixels({ width: Number.NaN }))],
    ["raw pixels of 2^53 + 2 columns", () => wrong(pixels({ width: 2 ** 53 + 2 }))],
    ["raw pixels of infinitely many columns", () => wrong(pixels({ width: Number.POSITIVE_INFINITY }))],
    ["raw pixels of -0 columns", () => wrong(pixels({ width: -0, data: new Uint8Array(0) }))],
    ["raw pixels of 2^31 columns", () => wrong(pixels({ width: 2 ** 31 }))],
    ["raw pixels of a byte too few", () => wrong(pixels({ data: new Uint8Array(299) }))],
    ["raw pixels of a byte too many", () => wrong(pixels({ data: new Uint8Array(301) }))],
    ["raw pixels of 10.5 columns", () => wrong(pixels({ width: 10.5 }))],
    ["raw pixels of -10 columns and -10 rows", () => wrong(pixels({ width: -10, height: -10 }))],
    ["raw pixels of BigInt columns", () => wrong(pixels({ width: 10n }))],
    ["raw pixels of 2 channels", () => wrong(pixels({ channels: 2 }))],
    [
      "raw pixels whose getter throws",
      () => wrong(Object.defineProperty(pixels({}), "width", { get: throwing, enumerable: true })),
    ],
    [
      "raw pixels whose getter answers otherwise the second time",
      () => {
        let asked = 0;
        return wrong(
          Object.defineProperty(pixels({}), "width", { get: () => (asked++ === 0 ? 10 : 100_000), enumerable: true }),
        );
      },
    ],
    [
      "a proxy whose every trap throws",
      () => wrong(new Proxy({}, { get: throwing, has: throwing, getPrototypeOf: throwing, ownKeys: throwing })),
    ],
    [
      "a revoked proxy",
      () => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return wrong(proxy);
      },
    ],
    ["an object without a prototype", () => wrong(Object.create(null))],
    ["a symbol", () => wrong(Symbol("picture"))],
    ["a function", () => wrong(() => good)],
    ["a detached buffer", () => detached(300)],
    ["a path with NUL", () => `${good}\0.jpg`],
    ["a path of a megabyte", () => "x".repeat(1 << 20)],
    ["a path of lone surrogates", () => "\ud800\udfff\udc00.jpg"],
    ["an empty path", () => ""],
    ["a file URL of another host", () => "file://example.org/etc/passwd"],
    ["a file URL with an encoded slash", () => "file:///etc%2Fpasswd"],
    ["a gopher URL", () => new URL("gopher://127.0.0.1/")],
  ];
  for (const [what, make] of cases) {
    it(`refuses ${what}`, async () => {
      const input = make();
      const codes: ErrorCode[] = ["ERR_INVALID_ARGUMENT", "ERR_IMAGE_NOT_FOUND", "ERR_IMAGE_DECODE"];
      await refuses(() => clip.encodeImages([good, input]), ...codes);
      await refuses(() => blip.caption([make()]), ...codes);
      await nextCallIsRight();
    });
  }

  it("takes shared memory", async () => {
    const data = new Uint8Array(new SharedArrayBuffer(300)).fill(90);
    const [shared] = await clip.encodeImages([wrong(pixels({ data }))]);
    assertSameVectors([shared!], await clip.encodeImages([wrong(pixels({ data: new Uint8Array(300).fill(90) }))]));
  });

  it("refuses options whose getters throw, and those of the prototype", async () => {
    const options = Object.defineProperty({}, "normalize", { get: throwing, enumerable: true });
    await refuses(() => clip.encodeImages([good], options as EncodeImagesOptions), "ERR_INVALID_ARGUMENT");
    await refuses(
      () => clip.encodeImages([good], JSON.parse('{"__proto__": {"normalize": 1}}') as EncodeImagesOptions),
      "ERR_INVALID_ARGUMENT",
    );
    await nextCallIsRight();
  });

  it("takes a call of 10,001 items whole, refuses the next one, and frees the queue when it is given up", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const calls = [
      clip.encodeImages(Array(10_001).fill(good), { signal }),
      blip.caption(Array(10_001).fill(good), { signal }),
    ];
    const settled = Promise.allSettled(calls);
    await refuses(() => clip.encodeImages([good]), "ERR_QUEUE_FULL");
    await refuses(() => clip.encodeTexts(["a red circle"]), "ERR_QUEUE_FULL");
    await refuses(() => blip.caption([good]), "ERR_QUEUE_FULL");
    controller.abort("enough");
    for (const result of await settled) assert.equal((result as PromiseRejectedResult).reason, "enough");
    await nextCallIsRight();
    assert.equal((await blip.caption([good])).length, 1);
  });
});

describe("texts of a hostile caller", () => {
  const texts: [string, string][] = [
    ["nothing", ""],
    ["a megabyte of one letter", "a".repeat(1 << 20)],
    ["a megabyte of words", "red circle ".repeat(95_000)],
    ["a megabyte of spaces", " ".repeat(1 << 20)],
    ["a megabyte of digits and signs", "1!2?".repeat(1 << 18)],
    ["a megabyte of joined emoji", "\u{1f468}\u200d\u{1f469}\u200d".repeat(100_000)],
    ["a megabyte of combining marks", "e\u0301\u0327".repeat(350_000)],
    ["a megabyte of one ideograph", "\u6c34".repeat(350_000)],
    ["lone surrogates", "\ud800 red \udc00\udc00"],
    ["NUL", "red\0circle\0"],
    ["control characters and directions", "\u202ered\u0007\ufeff\uffff"],
    ["the special tokens themselves", "<|startoftext|><|endoftext|>[SEP][PAD][MASK]"],
  ];
  for (const [what, text] of texts) {
    it(`embeds ${what} as a text like any other, or refuses it`, async () => {
      const { value: outcome, time } = await processorTime(() => outcomeOf(() => clip.encodeTexts([text])));
      if ("value" in outcome) assert.ok(outcome.value[0]!.every(Number.isFinite));
      else assert.equal(outcome.error.code, "ERR_TEXT_TOO_LONG");
      assert.ok(time < 500, `${time} ms`);
    });

    it(`captions after ${what}, or refuses it`, async () => {
      const { value: outcome, time } = await processorTime(() =>
        outcomeOf(() => blip.caption([good], { prompt: text })),
      );
      if ("value" in outcome) assert.equal(typeof outcome.value[0]!.text, "string");
      else assert.match(outcome.error.code, /^ERR_(TEXT_TOO_LONG|INVALID_ARGUMENT)$/);
      assert.ok(time < 1000, `${time} ms`);
      await nextCallIsRight();
    });
  }
});
