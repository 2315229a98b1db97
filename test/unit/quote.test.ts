import assert from "node:assert/strict";
import { test } from "vitest";
import { ClipBlipError } from "../../lib/common/errors.js";
import { brief, quote, shorten } from "../../lib/common/quote.js";

const long = `/photos/${"a".repeat(300)}/holiday.jpg`;

test("a long text shows its beginning and its end, 100 characters in all", () => {
  assert.equal(brief("x".repeat(100)), "x".repeat(100));
  assert.equal(brief(long), `/photos/${"a".repeat(52)}…${"a".repeat(27)}/holiday.jpg`);
  assert.equal(quote(long), `"${brief(long)}"`);
  assert.equal(quote('a "b"\n\u202e'), '"a \\"b\\"\\n\\u202e"');
});

test("a message is short, whatever path or native text is in it", () => {
  const sentence = "There is no file \"a.jpg\"; check the path, which isn't relative to the model's directory.";
  assert.equal(shorten(sentence), sentence);
  assert.equal(shorten(`${quote(long)}, is damaged`), `${quote(long)}, is damaged`);
  assert.equal(new ClipBlipError("ERR_MODEL_INVALID", `${long} is damaged`).message, `${brief(long)} is damaged`);
  const native = new ClipBlipError("ERR_INTERNAL", "frame by frame ".repeat(10_000)).message;
  assert.equal(native.length, 1000);
  assert.match(native, /^frame by frame .*…$/);
});
