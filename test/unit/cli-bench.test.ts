import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, test } from "vitest";
import { measure } from "../../lib/cli/bench/measure.js";
import type { LoadOptions } from "../../lib/models/load-options.js";
import { run } from "./support/cli.js";

const folder = mkdtempSync(join(tmpdir(), "clip-blip-cli-bench-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
for (const name of ["a.png", "b.png"]) writeFileSync(join(folder, name), "");

describe("measure", () => {
  test("the first run does not count, and at least three do", async () => {
    let runs = 0;
    // Only the first run takes long.
    const timing = await measure(async () => void (runs++ === 0 && (await sleep(300))), { seconds: 0 });
    assert.deepEqual([timing.runs, runs], [3, 4]);
    assert.ok(timing.median < 100, `${timing.median} ms`);
  });

  test("goes on until the time is over, and stops between runs when aborted", async () => {
    const { runs, median } = await measure(() => sleep(20), { seconds: 0.3 });
    assert.ok(runs > 3 && runs < 20, `${runs} runs`);
    assert.ok(median >= 15, `${median} ms`);
    const reason = new Error("enough");
    await assert.rejects(
      measure(() => sleep(1), { seconds: 1, signal: AbortSignal.abort(reason) }),
      reason,
    );
  });

  test("a failure of what is measured is its own", async () => {
    const failure = new Error("broken");
    await assert.rejects(
      measure(() => Promise.reject(failure), { seconds: 0 }),
      failure,
    );
  });
});

describe("clip-blip bench", () => {
  test("prints a line a figure, with both models told apart", async () => {
    const args = [
      "bench",
      folder,
      "--seconds",
      "1",
      "--clip-model",
      "c.pt",
      "--clip-revision",
      "v1",
      "--blip-model",
      "b.pt",
      "--blip-subfolder",
      "blip",
      "--dtype",
      "float32",
    ];
    const { code, out, err, calls } = await run(args);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /^c\.pt on cpu in float32, LibTorch 2\.13\.0$/m);
    assert.match(out, /^b\.pt on cpu in float32, LibTorch 2\.13\.0$/m);
    for (const name of [
      "one picture to a vector",
      "2 pictures to vectors",
      "one text to a vector",
      "2 pictures to captions",
    ]) {
      assert.match(out, new RegExp(`^  ${name} +[\\d.]+ ms +[\\d.]+/s {3}\\d+ runs$`, "m"));
    }
    const loads = calls.filter(
      (call): call is unknown[] => Array.isArray(call) && ["clip", "blip"].includes(call[0] as string),
    );
    assert.deepEqual(
      loads.map(([kind, source, options]) => {
        const { revision, subfolder } = options as LoadOptions;
        return [kind, source, revision, subfolder];
      }),
      [
        ["clip", "c.pt", "v1", undefined],
        ["blip", "b.pt", undefined, "blip"],
      ],
    );
    assert.equal(calls.filter((call) => call === "close").length, 2);
  });

  test("as JSON", async () => {
    const { out } = await run(["bench", folder, "--seconds", "0", "--json"]);
    const { models } = JSON.parse(out);
    assert.equal(models.length, 2);
    assert.equal(models[0].figures[1].items, 2);
    assert.ok(models[1].figures.every(({ timing }: { timing: { runs: number } }) => timing.runs >= 3));
  });

  test("what is not there is wrong usage", async () => {
    const { code, err, calls } = await run(["bench", join(folder, "none.png")]);
    assert.deepEqual([code, calls], [2, []]);
    assert.match(err, /^clip-blip: There is no file/);
  });
});
