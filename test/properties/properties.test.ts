// Properties of what a caller hands over: for any value whatever there is a result or a coded error, and no third way.
import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { ClipBlipError } from "../../lib/common/errors.js";
import { assertDecodeOptions, assertImageInput } from "../../lib/input/assert.js";
import { decodeImage } from "../../lib/input/decode.js";
import { publicFetcher } from "../../lib/input/public-remote.js";
import type { ImageInput } from "../../lib/input/types.js";
import { assertLoadOptions, type LoadOptions } from "../../lib/models/load-options.js";

const RUNS = { numRuns: Number(process.env.CLIP_BLIP_PROPERTY_RUNS ?? 1000) };

/** Anything that JavaScript has: of any type, with odd prototypes, keys and numbers. */
const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
});

const isInvalidArgument = (error: unknown) =>
  error instanceof ClipBlipError && error.code === "ERR_INVALID_ARGUMENT" && !error.message.includes("\n");

/** Nothing, or ERR_INVALID_ARGUMENT. */
function judges(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    assert.ok(isInvalidArgument(error), String(error));
    return false;
  }
}

const oneOf = <T>(...values: T[]) => fc.constantFrom(...values);
const goodOptions: fc.Arbitrary<LoadOptions> = fc.record(
  {
    device: oneOf("auto" as const, "cpu" as const, "cuda" as const, "cuda:0" as const),
    dtype: oneOf("auto" as const, "float32" as const, "bfloat16" as const, "float16" as const),
    maxBatchSize: fc.oneof(fc.constant("auto" as const), fc.integer({ min: 1, max: 1 << 20 })),
    memoryFraction: fc.double({ min: 0, max: 1, minExcluded: true, noNaN: true }),
    memoryLimit: fc.integer({ min: 1 }),
    maxQueue: fc.integer({ min: 1 }),
    sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
  },
  { requiredKeys: [] },
);

test("load options: what is documented is taken", () => {
  fc.assert(
    fc.property(goodOptions, (options) => judges(() => assertLoadOptions(options, "clip"))),
    RUNS,
  );
});

test("load options: one wrong value among right ones is refused", () => {
  const wrong = fc.oneof(
    fc.constant({ maxBatchSize: 0 }),
    fc.double().map((maxBatchSize) => ({ maxBatchSize: Number.isInteger(maxBatchSize) ? -1 : maxBatchSize })),
    fc.constant({ memoryFraction: Number.NaN }),
    fc.double({ min: 1, minExcluded: true }).map((memoryFraction) => ({ memoryFraction })),
    fc.integer({ max: 0 }).map((memoryLimit) => ({ memoryLimit })),
    fc.constant({ maxQueue: 2 ** 53 + 2 }),
    fc.string({ maxLength: 63 }).map((sha256) => ({ sha256 })),
    fc.string({ minLength: 1 }).map((key) => ({ [`${key}?`]: 1 })),
  );
  fc.assert(
    fc.property(goodOptions, wrong, (good, bad) => {
      assert.equal(
        judges(() => assertLoadOptions({ ...good, ...bad } as LoadOptions, "blip")),
        false,
      );
    }),
    RUNS,
  );
});

test("load options and decode options: anything is taken or refused", () => {
  fc.assert(
    fc.property(anything, (value) => {
      judges(() => assertDecodeOptions(value));
      // undefined is the default of the callers.
      if (value !== undefined) judges(() => assertLoadOptions(value as LoadOptions, "clip"));
    }),
    RUNS,
  );
});

test("image sources: anything is taken or refused at once, and what is taken is read or refused", async () => {
  const raw = fc.record({ data: anything, width: anything, height: anything, channels: anything });
  await fc.assert(
    fc.asyncProperty(fc.oneof(anything, raw, fc.uint8Array({ maxLength: 300 })), async (value) => {
      // Paths are tested elsewhere: one that is made up may be there.
      if (typeof value === "string" || !judges(() => assertImageInput(value))) return;
      await decodeImage(value as ImageInput).then(
        ({ data, width, height }) => assert.equal(data.length, width * height * 3),
        (error) => assert.match(String(error.code), /^ERR_(INVALID_ARGUMENT|IMAGE_DECODE|IMAGE_TOO_LARGE)$/),
      );
    }),
    RUNS,
  );
});

test("data URLs: any text behind data: is a picture or refused", async () => {
  const type = fc.constantFrom("", "image/png", "image/png;base64", "text/html;charset=x;base64", ";;base64 ");
  await fc.assert(
    fc.asyncProperty(type, fc.oneof(fc.string({ unit: "binary" }), fc.base64String()), async (media, body) => {
      await assert.rejects(decodeImage(`data:${media},${body}`), { name: "ClipBlipError", code: "ERR_IMAGE_DECODE" });
    }),
    RUNS,
  );
});

/** An address that is not public, in any of the ways that URLs write it. */
const privateHosts = fc.oneof(
  fc.tuple(fc.constantFrom(10, 127, 0), fc.nat(255), fc.nat(255), fc.nat(255)).map((parts) => parts.join(".")),
  fc.tuple(fc.constantFrom("192.168", "169.254"), fc.nat(255), fc.nat(255)).map((parts) => parts.join(".")),
  fc.tuple(fc.integer({ min: 16, max: 31 }), fc.nat(255), fc.nat(255)).map((parts) => `172.${parts.join(".")}`),
  // 127.0.0.0/8 as one number: decimal, hexadecimal, octal.
  fc.nat(0xffffff).map((rest) => String(0x7f000000 + rest)),
  fc.nat(0xffffff).map((rest) => `0x${(0x7f000000 + rest).toString(16)}`),
  fc.nat(255).map((last) => `0177.0.0.${last}`),
  fc.nat(0xffff).map((rest) => `[::ffff:7f00:${rest.toString(16)}]`),
  fc.tuple(fc.nat(255), fc.nat(0xffff)).map(([a, b]) => `[fd${a.toString(16).padStart(2, "0")}::${b.toString(16)}]`),
  fc.nat(0xffff).map((rest) => `[fe80::${rest.toString(16)}]`),
  fc.constantFrom("[::1]", "[::]", "localhost", "LOCALHOST", "127.1", "0"),
);

test("the URL guard: no way of writing an address of the inside gets through", async () => {
  const fetch = publicFetcher({});
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("http", "https"),
      fc.constantFrom("", "user@", "example.org@", "example.org:80@"),
      privateHosts,
      fc.constantFrom("", ":80", ":8080", ":22"),
      fc.webPath(),
      async (scheme, user, host, port, path) => {
        const url = new URL(`${scheme}://${user}${host}${port}${path}`);
        await assert.rejects(fetch(url, "the picture"), (error) => {
          assert.ok(isInvalidArgument(error), `${url.href}: ${error}`);
          assert.ok(!(error as Error).message.includes(url.hostname));
          return true;
        });
      },
    ),
    { numRuns: Math.min(RUNS.numRuns, 300) },
  );
});
