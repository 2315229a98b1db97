import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "vitest";
import { createClipTokenizer } from "../../lib/text/clip-tokenizer.js";

interface ClipCase {
  text: string;
  /** What transformers gives with truncation=True. */
  ids: number[];
  /** Tokens before truncation. */
  tokens: number;
}

const file = (name: string) => readFileSync(new URL(`../fixtures/text/${name}`, import.meta.url), "utf8");
const { contextLength, cases }: { contextLength: number; cases: ClipCase[] } = JSON.parse(file("expected.json")).clip;
const json = file("clip/tokenizer.json");
const config = file("clip/tokenizer_config.json");
const tokenizer = createClipTokenizer(json, config, { contextLength, padTokenId: 0 });
const [start, end] = tokenizer.encode("") as [number, number];

test("ids equal those of transformers", () => {
  assert.ok(cases.length >= 150);
  for (const { text, ids } of cases) assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
});

test("without truncation, what is too long is refused with the count and the limit", () => {
  for (const { text, ids, tokens } of cases) {
    if (tokens <= contextLength) {
      assert.deepEqual(tokenizer.encode(text, { truncate: false }), ids);
      continue;
    }
    const message = new RegExp(
      `has ${tokens} tokens, special tokens included, but the model takes at most ${contextLength}\\.`,
    );
    assert.throws(() => tokenizer.encode(text, { truncate: false }), { code: "ERR_TEXT_TOO_LONG", message });
  }
});

test("a batch is padded to its longest row", () => {
  const texts = ["a", "a photo of a cat", ""];
  const rows = texts.map((text) => tokenizer.encode(text));
  const ids = tokenizer.pad(rows);
  const { length } = rows[1]!;
  assert.equal(ids.length, 3 * length);
  rows.forEach((row, index) => {
    const padding = Array(length - row.length).fill(0);
    assert.deepEqual([...ids.subarray(index * length, (index + 1) * length)], [...row, ...padding]);
  });
  const other = createClipTokenizer(json, config, { contextLength, padTokenId: end });
  assert.deepEqual([...other.pad([other.encode(""), other.encode("a")]).subarray(0, 3)], [start, end, end]);
  assert.deepEqual(tokenizer.pad([]), new Int32Array());
});

test("only strings are taken", () => {
  for (const value of [undefined, null, 7, [], ["a"], {}, Buffer.from("a"), new String("a")]) {
    const message = /^text is .*; pass a string\.$/;
    assert.throws(() => tokenizer.encode(value as string), { code: "ERR_INVALID_ARGUMENT", message });
  }
});

test("lone surrogates are U+FFFD", () => {
  assert.deepEqual(tokenizer.encode("a\ud800b"), tokenizer.encode("a\ufffdb"));
  assert.deepEqual(tokenizer.encode("\udc00"), tokenizer.encode("\ufffd"));
});

const MEGABYTE = {
  letters: "abc".repeat(350_000),
  "one letter": "a".repeat(1_000_000),
  words: "word ".repeat(200_000),
  blanks: `${" ".repeat(1_000_000)}cat`,
  ideographs: "\u732b".repeat(1_000_000),
  emoji: "\u{1f600}".repeat(500_000),
  "combining marks": "e\u0301".repeat(500_000),
  jamo: "\u1112\u1161\u11ab".repeat(350_000),
  punctuation: "!?".repeat(500_000),
  zeros: "\0".repeat(1_000_000),
  "lone surrogates": "\ud800".repeat(1_000_000),
  "special tokens": "<|endoftext|>".repeat(80_000),
};

for (const [name, text] of Object.entries(MEGABYTE)) {
  test(`a megabyte of ${name} is cut like a page of it, in bounded time`, () => {
    const time = performance.now();
    const ids = tokenizer.encode(text);
    // Generous, for loaded machines: without the window it takes many seconds.
    assert.ok(performance.now() - time < 2000);
    const page = name === "blanks" ? " cat" : text.slice(0, 6000);
    assert.deepEqual(ids, tokenizer.encode(page));
    if (name === "blanks") return;
    const message = /has more than \d+ tokens/;
    assert.throws(() => tokenizer.encode(text, { truncate: false }), { code: "ERR_TEXT_TOO_LONG", message });
  });
}

test("files that are no tokenizer are refused", () => {
  const options = { contextLength, padTokenId: 0 };
  const wrong: [string, string][] = [
    ["", config],
    ["[]", config],
    ["{}", config],
    ['{"model":{"type":"Nothing"}}', config],
    [json, "{"],
    [json, "null"],
  ];
  for (const [tokenizerJson, configJson] of wrong) {
    const expected = { name: "ClipBlipError", code: "ERR_MODEL_INVALID", message: /^The model's tokenizer/ };
    assert.throws(() => createClipTokenizer(tokenizerJson, configJson, options), expected);
  }
});
