import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "vitest";
import {
  assertEffective,
  assertGenerationOptions,
  type GenerationOptions,
} from "../../lib/models/blip/generation-options.js";

const conflicts = JSON.parse(
  readFileSync(new URL("../fixtures/generation/conflicts.json", import.meta.url), "utf8"),
) as { options: GenerationOptions; flagged: string[] }[];

describe("options of generation that have no effect", () => {
  for (const { options, flagged } of conflicts) {
    test(`${JSON.stringify(options)}: ${flagged.join(", ") || "all have one"}`, () => {
      const check = () => assertEffective(options, options);
      if (flagged.length === 0) return check();
      assert.throws(check, (error: Error & { code: string }) => {
        assert.equal(error.code, "ERR_INVALID_ARGUMENT");
        const [, named] = /^options\.(\w+) is \S+, but it has no effect here: set (?:doSample: true|numBeams)/.exec(
          error.message,
        )!;
        assert.ok(flagged.includes(named!), error.message);
        return true;
      });
    });
  }

  test("are not judged where nothing is known of the model", () => {
    assertEffective({ temperature: 0.5, lengthPenalty: 2 }, {});
  });
});

describe("lengths that no text can have", () => {
  for (const [options, message] of [
    [{ minLength: 10, maxLength: 9 }, /^options\.minLength is 10, above options\.maxLength, which is 9/],
    [{ minNewTokens: 6, maxNewTokens: 5 }, /^options\.minNewTokens is 6, above options\.maxNewTokens, which is 5/],
  ] as const) {
    test(JSON.stringify(options), () => {
      assert.throws(() => assertGenerationOptions(options, 512), { code: "ERR_INVALID_ARGUMENT", message });
    });
  }

  for (const options of [
    { minLength: 9, maxLength: 9 },
    { minLength: 30 },
    { minNewTokens: 5, maxNewTokens: 5 },
    // Which one takes precedence is documented, and the others are not read.
    { minLength: 10, maxLength: 9, maxNewTokens: 20 },
    { minLength: 10, maxLength: 9, minNewTokens: 2 },
  ]) {
    test(`${JSON.stringify(options)} are possible`, () => assertGenerationOptions(options, 512));
  }
});
