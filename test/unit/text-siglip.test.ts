import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { readTokenizer } from "../../lib/checkpoint/tokenizers/tokenizer.js";
import { Charsmap } from "../../lib/text/charsmap.js";
import { createSiglipTokenizer } from "../../lib/text/siglip-tokenizer.js";
import { Unigram } from "../../lib/text/unigram.js";

const path = (name: string) => fileURLToPath(new URL(`../fixtures/siglip/${name}`, import.meta.url));
const read = (name: string) => readFileSync(path(name), "utf8");

/** What transformers 5 gives: see make_siglip.py. */
const reference: Record<"siglip" | "siglip2" | "siglip2OwnClass", { ids: number[][] }> & { samples: string[] } =
  JSON.parse(read("reference.json"));

const contextLength = 64;
const { tokenizer: siglipJson, config: siglipConfig } = await readTokenizer(path("siglip"), "siglip");
const siglip2Json = read("siglip2/tokenizer.json");
const siglip2Config = JSON.parse(read("siglip2/tokenizer_config.json"));

const siglip = createSiglipTokenizer(siglipJson, siglipConfig, { contextLength, padTokenId: 1 });
const siglip2With = (changes: object, json = siglip2Json) =>
  createSiglipTokenizer(json, JSON.stringify({ ...siglip2Config, ...changes }), { contextLength, padTokenId: 0 });
const siglip2 = siglip2With({});

for (const [name, tokenizer] of [
  ["siglip", siglip],
  ["siglip2", siglip2],
  ["siglip2OwnClass", siglip2With({ tokenizer_class: "Siglip2Tokenizer" })],
] as const) {
  test(`${name}: the ids of every sample are those of transformers`, () => {
    for (const [index, text] of reference.samples.entries()) {
      assert.deepEqual(tokenizer.encode(text), reference[name].ids[index], JSON.stringify(text));
    }
  });
}

test("a tokenizer.json that lowers the case itself is taken as it is", () => {
  const json = JSON.parse(siglip2Json);
  json.normalizer = { type: "Sequence", normalizers: [{ type: "Lowercase" }, json.normalizer] };
  const tokenizer = siglip2With({}, JSON.stringify(json));
  for (const [index, text] of reference.samples.entries()) {
    assert.deepEqual(tokenizer.encode(text), reference.siglip2OwnClass.ids[index], JSON.stringify(text));
  }
});

test("texts are always filled up to the whole context, on the side that the tokenizer says", () => {
  const row = siglip.encode("a photo of a cat");
  const filled = (count: number, id: number) => Array<number>(count).fill(id);
  assert.deepEqual([...siglip.pad([row])], [...row, ...filled(64 - row.length, 1)]);
  const other = siglip2.encode("two");
  assert.deepEqual([...siglip2.pad([other, []])], [...other, ...filled(64 - other.length, 0), ...filled(64, 0)]);
  for (const left of [{ padding_side: "left" }, { padding_side: undefined }]) {
    assert.deepEqual([...siglip2With(left).pad([other])], [...filled(64 - other.length, 0), ...other]);
  }
});

test("tokens around the text are those of tokenizer.json", () => {
  const [plain] = [siglip2.encode("two dogs").slice(0, -1)];
  const [bos, eos] = [2, 1];
  const json = JSON.parse(siglip2Json);
  const withProcessor = (processor: unknown) =>
    siglip2With({}, JSON.stringify({ ...json, post_processor: processor })).encode("two dogs");
  const sequence = { Sequence: { id: "A", type_id: 0 } };
  const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const template = { type: "TemplateProcessing", single: [special("<bos>"), sequence, special("<eos>")] };
  assert.deepEqual(withProcessor(template), [bos, ...plain, eos]);
  assert.deepEqual(withProcessor({ type: "RobertaProcessing", cls: ["<bos>", 2], sep: ["<eos>", 1] }), [
    bos,
    ...plain,
    eos,
  ]);
  assert.deepEqual(withProcessor({ type: "Sequence", processors: [{ type: "ByteLevel" }, template] }), [
    bos,
    ...plain,
    eos,
  ]);
  assert.deepEqual(withProcessor(null), plain);
  assert.throws(() => withProcessor({ type: "Other" }), {
    code: "ERR_MODEL_INVALID",
    message: /unsupported post_processor of type "Other"/,
  });
  assert.throws(() => withProcessor({ type: "BertProcessing", cls: ["<nowhere>", 2], sep: ["<eos>", 1] }), {
    code: "ERR_MODEL_INVALID",
    message: /lacks the token "<nowhere>"/,
  });
});

test("a text that does not fit is refused where it is not to be cut, and a huge one is cut in no time", () => {
  for (const tokenizer of [siglip, siglip2]) {
    for (const text of ["very ".repeat(100), `${"x".repeat(500_000)} end`, " ".repeat(500_000) + "end ".repeat(99)]) {
      const ids = tokenizer.encode(text);
      assert.equal(ids.length, contextLength);
      assert.equal(ids.at(-1), 1);
      assert.throws(() => tokenizer.encode(text, { truncate: false }), {
        code: "ERR_TEXT_TOO_LONG",
        message: /has (more than )?\d+ tokens, special tokens included, but the model takes at most 64/,
      });
    }
    assert.deepEqual(tokenizer.encode("cat", { truncate: false }), tokenizer.encode("cat"));
    assert.throws(() => tokenizer.encode(7 as unknown as string), { code: "ERR_INVALID_ARGUMENT" });
  }
  // Blanks at both ends are nothing to SigLIP, however many.
  assert.deepEqual(siglip.encode(`${" ".repeat(1e6)}cat${" ".repeat(1e6)}`), siglip.encode("cat"));
});

test("capital letters are kept where the configuration says so", () => {
  const config = JSON.stringify({ ...JSON.parse(siglipConfig), do_lower_case: false });
  const tokenizer = createSiglipTokenizer(siglipJson, config, { contextLength, padTokenId: 1 });
  assert.deepEqual(tokenizer.encode("cat"), siglip.encode("cat"));
  assert.notDeepEqual(tokenizer.encode("CAT"), siglip.encode("CAT"));
});

test("the most probable pieces are taken, and of equal ways the one whose last piece is longest", () => {
  const pieces: [string, number][] = [
    ["<unk>", 0],
    ["a", -1],
    ["aa", -2],
    ["b", -1],
    ["ab", -1.5],
  ];
  const unigram = new Unigram(pieces, 0, new Set([0]));
  assert.deepEqual(unigram.encode("aaa"), [1, 2]);
  assert.deepEqual(unigram.encode("aab"), [1, 4]);
  assert.deepEqual(unigram.encode("b??b?"), [3, 0, 3, 0]);
  assert.deepEqual(unigram.encode("<unk>"), [0], "special pieces are never matched");
  assert.deepEqual(unigram.encode(""), []);
});

test("damaged tables and vocabularies are refused", () => {
  const damaged = { code: "ERR_MODEL_INVALID" };
  assert.throws(() => new Charsmap(Uint8Array.of(1)), damaged);
  assert.throws(() => new Charsmap(Uint8Array.of(8, 0, 0, 0, 1, 2)), damaged);
  const normalizer = JSON.parse(siglipJson).normalizer.normalizers.find(
    ({ type }: { type: string }) => type === "Precompiled",
  );
  const table = Buffer.from(normalizer.precompiled_charsmap, "base64");
  const cut = new Charsmap(table.subarray(0, 4 + table.readUInt32LE(0) + 1));
  assert.throws(() => cut.replace("ﬁ ①"), damaged);
  assert.deepEqual(new Charsmap(table).replace("ﬁ①a"), ["fi", "1", "a"]);

  const changed = (edit: (json: { model: Record<string, unknown> }) => void) => {
    const json = JSON.parse(siglipJson);
    edit(json);
    return () => createSiglipTokenizer(JSON.stringify(json), siglipConfig, { contextLength, padTokenId: 1 });
  };
  assert.throws(
    changed((json) => delete json.model.vocab),
    damaged,
  );
  assert.throws(
    changed((json) => {
      json.model.unk_id = 1e6;
    }),
    damaged,
  );
  for (const text of ["", "[]", "{"]) {
    assert.throws(() => createSiglipTokenizer(text, "{}", { contextLength, padTokenId: 1 }), damaged);
    assert.throws(() => createSiglipTokenizer(siglip2Json, text, { contextLength, padTokenId: 1 }), damaged);
  }
});
