import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { splitIntoChunks } from "../../lib/queue/chunks.js";
import { Names } from "../../lib/queue/names.js";
import { parseRequest } from "../../lib/queue/request.js";

const LIMITS = { maxImages: 100, maxDataLength: 10_000_000 };
const parse = (request: unknown, limits = LIMITS) => parseRequest(request, limits);
const embeddings = (images: unknown, options?: unknown) => ({
  type: "embeddings",
  images,
  ...(options ? { options } : {}),
});

describe("the request of a job", () => {
  test("names each picture by its key, its URI or, where that is the picture, its place", () => {
    const images = [
      { uri: "file:///a.jpg" },
      { uri: "DATA:image/png;base64,AAAA" },
      { key: "mine", uri: "https://example.org/b.jpg" },
      { uri: `https://example.org/${"long".repeat(1000)}` },
    ];
    const { task, pictures } = parse(embeddings(images));
    assert.deepEqual(task, { type: "embeddings", options: {} });
    assert.deepEqual(
      pictures.map(({ index, key }) => [index, key]),
      [
        [0, "file:///a.jpg"],
        [1, "1"],
        [2, "mine"],
        [3, "3"],
      ],
    );
  });

  const wrong: [string, unknown, RegExp, number?][] = [
    ["nothing", undefined, /an object for request/],
    ["another type", { type: "summaries", images: [] }, /"embeddings", "captions" for request.type/],
    ["no type", { images: [{ uri: "data:,a" }] }, /request.type/],
    ["an unknown property", { ...embeddings([{ uri: "data:,a" }]), priority: 1 }, /Unknown option request.priority/],
    ["no list", embeddings("file:///a.jpg"), /an array for request.images/],
    ["no pictures", embeddings([]), /at least one picture/],
    [
      "too many",
      embeddings(Array.from({ length: 101 }, (_, index) => ({ uri: `file:///${index}` }))),
      /at most 100 pictures/,
    ],
    ["a path", embeddings([{ uri: "data:,a" }, { uri: "/etc/passwd" }]), /a file:, http:, https: or data: URI/, 1],
    ["another scheme", embeddings([{ uri: "ftp://a/b.jpg" }]), /a file:, http:, https: or data: URI/, 0],
    ["no URI", embeddings([{ uri: "http://" }]), /a valid URI/, 0],
    ["a long URI", embeddings([{ uri: `file:///${"a".repeat(9000)}` }]), /at most 8192 characters/, 0],
    ["a hole", embeddings(new Array(1)), /request.images\[0\]/, 0],
    ["null", embeddings([null]), /an object for request.images\[0\]/],
    ["an empty key", embeddings([{ key: "", uri: "data:,a" }]), /request.images\[0\].key/, 0],
    [
      "a key twice",
      embeddings([
        { key: "a", uri: "data:,a" },
        { key: "a", uri: "data:,b" },
      ]),
      /key as an earlier picture/,
      1,
    ],
    [
      "a key that is the place of another",
      embeddings([{ key: "1", uri: "data:,a" }, { uri: "data:,b" }]),
      /key as an earlier/,
      1,
    ],
    [
      "options of captions",
      embeddings([{ uri: "data:,a" }], { maxLength: 5 }),
      /Unknown option request.options.maxLength/,
    ],
    ["options of no kind", embeddings([{ uri: "data:,a" }], { normalize: "yes" }), /a boolean/],
    [
      "a prompt that is none",
      { type: "captions", images: [{ uri: "data:,a" }], options: { prompt: 1 } },
      /a string for request.options.prompt/,
    ],
    [
      "a length that is none",
      { type: "captions", images: [{ uri: "data:,a" }], options: { maxLength: 1 } },
      /options.maxLength/,
    ],
    [
      "lengths that no text can have",
      { type: "captions", images: [{ uri: "data:,a" }], options: { minLength: 9, maxLength: 8 } },
      /options\.minLength is 9, above/,
    ],
    [
      "a temperature without sampling",
      { type: "captions", images: [{ uri: "data:,a" }], options: { temperature: 0.5 } },
      /options\.temperature is 0\.5, but it has no effect here: set doSample: true/,
    ],
    [
      "an option in the words of transformers",
      { type: "captions", images: [{ uri: "data:,a" }], options: { num_beams: 3 } },
      /Unknown option request\.options\.num_beams: did you mean numBeams\?/,
    ],
  ];
  for (const [name, request, message, index] of wrong) {
    test(`is refused with ${name}`, () => {
      assert.throws(
        () => parse(request),
        (error: Error & { code: string; index?: number }) => {
          assert.equal(error.code, "ERR_INVALID_ARGUMENT");
          assert.match(error.message, message);
          assert.equal(error.index, index);
          return true;
        },
      );
    });
  }

  test("is bounded in what it carries itself", () => {
    const images = [0, 1, 2].map((index) => ({ key: `${index}`, uri: `data:,${"a".repeat(1000)}` }));
    assert.equal(parse(embeddings(images), { ...LIMITS, maxDataLength: 3018 }).pictures.length, 3);
    assert.throws(() => parse(embeddings(images), { ...LIMITS, maxDataLength: 3017 }), { code: "ERR_IMAGE_TOO_LARGE" });
  });
});

describe("the chunks of a job", () => {
  const split = (uris: string[]) => {
    const { task, pictures } = parse(embeddings(uris.map((uri, index) => ({ key: `${index}`, uri }))));
    const chunks = splitIntoChunks("id", task, pictures);
    assert.deepEqual(
      chunks.flatMap((chunk) => chunk.pictures),
      pictures,
    );
    return chunks.map((chunk) => chunk.pictures.length);
  };

  test("hold sixteen pictures", () => {
    assert.deepEqual(split(Array.from({ length: 35 }, (_, index) => `file:///${index}`)), [16, 16, 3]);
    assert.deepEqual(split(["file:///a"]), [1]);
  });

  test("hold 4 Mi characters of data, or one picture that is larger", () => {
    const data = (millions: number) => `data:,${"a".repeat(millions * 1_000_000)}`;
    assert.deepEqual(split([data(2), data(2), data(2), "file:///a", data(1)]), [2, 3]);
    assert.deepEqual(split(["file:///a", data(5), "file:///b", "file:///c"]), [1, 1, 2]);
  });
});

test("names of queues have no colons, which BullMQ puts between their parts", () => {
  for (const queue of ["a:b", "", "a b"]) assert.throws(() => new Names({ queue }), { code: "ERR_INVALID_ARGUMENT" });
  assert.throws(() => new Names({ prefix: "" }), { code: "ERR_INVALID_ARGUMENT" });
});
