import assert from "node:assert/strict";
import { test } from "vitest";
import { FailureList, failureText } from "../../lib/cli/failures.js";

const list = (input: string, message: string) => {
  const failures = new FailureList();
  failures.add({ input, error: { code: "ERR_IMAGE_DECODE", message } });
  return failures.report("of 1 inputs failed");
};

test("a failed input is named once, and briefly", () => {
  assert.equal(
    list("a.jpg", '"a.jpg" is empty (0 bytes).'),
    "clip-blip: 1 of 1 inputs failed:\n  a.jpg: The file is empty (0 bytes).\n",
  );
  assert.equal(
    list("a.jpg", "It is not a regular file."),
    "clip-blip: 1 of 1 inputs failed:\n  a.jpg: It is not a regular file.\n",
  );
  assert.equal(
    list("x".repeat(1 << 20), "No."),
    `clip-blip: 1 of 1 inputs failed:\n  ${"x".repeat(60)}…${"x".repeat(39)}: No.\n`,
  );
});

test("an error of the system shows a long path in short", () => {
  const path = `/a b/${"x y/".repeat(2000)}`;
  const error = Object.assign(new Error(`ENAMETOOLONG: name too long, open '${path}'`), { code: "ENAMETOOLONG", path });
  assert.ok(failureText(error, {}).length < 200);
});
