import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "vitest";
import { createBlipTokenizer } from "../../lib/text/blip-tokenizer.js";

interface Expected {
  startTokenId: number;
  /** What BlipForConditionalGeneration.generate starts from. */
  prompts: { text: string; ids: number[] }[];
  /** decode(ids, skip_special_tokens=True), without and with clean_up_tokenization_spaces. */
  decodings: { ids: number[]; text: string; cleaned: string }[];
}

const file = (name: string) => readFileSync(new URL(`../fixtures/text/${name}`, import.meta.url), "utf8");
const { startTokenId, prompts, decodings }: Expected = JSON.parse(file("expected.json")).blip;
const json = file("bert/tokenizer.json");
const tokenizer = createBlipTokenizer(json, file("bert/tokenizer_config.json"), { startTokenId });

test("prompts equal those of transformers", () => {
  assert.ok(prompts.length >= 150);
  for (const { text, ids } of prompts) assert.deepEqual(tokenizer.encodePrompt(text), ids, JSON.stringify(text));
});

test("an empty prompt is the start token alone", () => {
  for (const prompt of ["", " ", "\n\t", "\u200b"]) assert.deepEqual(tokenizer.encodePrompt(prompt), [startTokenId]);
});

test("decoding equals that of transformers", () => {
  for (const { ids, text } of decodings) assert.equal(tokenizer.decode(ids), text, ids.join(" "));
});

test("tokenizer_config.json can ask for the spaces to be cleaned up", () => {
  const cleaning = createBlipTokenizer(json, '{"clean_up_tokenization_spaces":true}', { startTokenId });
  for (const { ids, cleaned } of decodings) assert.equal(cleaning.decode(ids), cleaned, ids.join(" "));
  assert.ok(decodings.some(({ text, cleaned }) => text !== cleaned));
});

test("a start token inside the vocabulary is left out, too", () => {
  const [word] = tokenizer.encodePrompt("cat").slice(1) as [number];
  const inside = createBlipTokenizer(json, "{}", { startTokenId: word });
  assert.equal(inside.decode([word]), "");
});

test("only strings are taken", () => {
  for (const value of [undefined, null, 7, [], {}]) {
    const expected = { code: "ERR_INVALID_ARGUMENT", message: /^prompt is .*; pass a string\.$/ };
    assert.throws(() => tokenizer.encodePrompt(value as string), expected);
  }
});

test("a prompt that leaves no room for a caption is refused", () => {
  const start = createBlipTokenizer(json, "{}", { startTokenId, maxTokens: 4 });
  assert.equal(start.encodePrompt("! ! !").length, 4);
  const expected = { code: "ERR_TEXT_TOO_LONG", message: /^The prompt has 4 tokens; the model takes at most 4 tokens/ };
  assert.throws(() => start.encodePrompt("! ! ! !"), expected);
  assert.throws(() => tokenizer.encodePrompt("! ".repeat(600)), { code: "ERR_TEXT_TOO_LONG" });
});

test("a megabyte of anything takes bounded time", () => {
  for (const unit of ["a", "a ", "\u732b", "\0", "!", "\ud800", "\u{1f600}", "e\u0301"]) {
    const time = performance.now();
    const expected = { code: "ERR_TEXT_TOO_LONG", message: /The prompt has \d+ characters/ };
    assert.throws(() => tokenizer.encodePrompt(unit.repeat(1_000_000)), expected);
    const longest = unit.repeat(65_536 / unit.length);
    try {
      tokenizer.encodePrompt(longest);
    } catch (error) {
      assert.equal((error as { code: string }).code, "ERR_TEXT_TOO_LONG");
    }
    assert.ok(performance.now() - time < 2000, JSON.stringify(unit));
  }
});
