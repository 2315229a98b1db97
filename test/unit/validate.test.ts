import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { nearestName } from "../../lib/common/did-you-mean.js";
import { assertOptions } from "../../lib/common/validate.js";
import { pictureTextKind } from "../../lib/input/picture-text.js";
import { GENERATION_OPTIONS } from "../../lib/models/blip/generation-options.js";

describe("the name that was meant", () => {
  for (const [written, meant] of [
    ["num_beams", "numBeams"],
    ["max_new_tokens", "maxNewTokens"],
    ["max_tokens", "maxNewTokens"],
    ["no_repeat_ngram_size", "noRepeatNgramSize"],
    ["num_return_sequences", "numReturnSequences"],
    ["bad_words_ids", "badWords"],
    ["do_sample", "doSample"],
    ["top-p", "topP"],
    ["TOPK", "topK"],
    ["temprature", "temperature"],
    ["temperatuer", "temperature"],
    ["minlenght", "minLength"],
  ] as const) {
    test(`${written} is ${meant}`, () => assert.equal(nearestName(written, GENERATION_OPTIONS), meant));
  }

  test("of Python's options of a load", () => {
    const known = ["device", "dtype", "maxBatchSize", "revision"];
    assert.deepEqual(
      ["torch_dtype", "device_map", "max_batchsize"].map((name) => nearestName(name, known)),
      ["dtype", "device", "maxBatchSize"],
    );
  });

  test("is not guessed where nothing is near, or where the name is no name", () => {
    for (const name of ["", "colour", "x", "__proto__", "n".repeat(1 << 20)]) {
      assert.equal(nearestName(name, GENERATION_OPTIONS), undefined, name.slice(0, 20));
    }
  });

  test("stands in the error about an unknown option", () => {
    const refused = (options: object, message: RegExp) =>
      assert.throws(() => assertOptions(options, "options", ["numBeams", "topK"]), {
        code: "ERR_INVALID_ARGUMENT",
        message,
      });
    refused({ num_beams: 3 }, /^Unknown option options\.num_beams: did you mean numBeams\?$/);
    refused({ colour: 3 }, /^Unknown option options\.colour: the options are numBeams, topK$/);
    refused({ ["k".repeat(1 << 20)]: 3 }, /^Unknown option options\.k{60}…k{39}: the options are/);
  });
});

describe("a text that is plainly a picture", () => {
  for (const [text, kind] of [
    ["data:image/png,a", "data"],
    ["DATA:;base64,AAAA", "data"],
    ["data: the new oil, they say", undefined],
    ["iVBORw0KGgoAAAANSUhEUg==", "base64"],
    ["UklGRiQAAABXRUJQVlA4IBgAAAAw", "base64"],
    ["SUkqAAgAAAASAAAB", "base64"],
    ["/9j/4AAQSkZJRgABAQAA\nAQABAAD", "base64"],
    ["iVBORw0KGgo is how a PNG begins", undefined],
    ["a sentence without any picture", undefined],
    ["internationalisation", undefined],
    ["https://example.org/a.jpeg?x=.txt", "url"],
    ["https://example.org/a.txt?x=.jpeg", undefined],
    ["http://[/a.jpg", undefined],
    ["ftp://example.org/a.jpg", undefined],
  ] as const) {
    test(`${text.slice(0, 40).replace("\n", " ")}: ${kind}`, () => assert.equal(pictureTextKind(text), kind));
  }
});
