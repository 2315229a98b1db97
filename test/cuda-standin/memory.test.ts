import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, it } from "vitest";
import { writeRandomClip } from "../library/random-checkpoint.js";
import { runProgram } from "./program.js";
import { describeEach, program } from "./suite.js";

const GIB = 1024 ** 3;

interface Guard {
  idle: number;
  left: number[];
  failed: string | null;
  frees: number;
  bytesPerItem: number;
}

describeEach("memory of the stand-in", (standin) => {
  /** ViT-B/32 in size. */
  let checkpoint: string;
  beforeAll(() => {
    checkpoint = mkdtempSync(join(tmpdir(), "clip-blip-standin-"));
    writeRandomClip(checkpoint, { width: 768, layers: 12, vocabulary: 10_000, imageSize: 224, patch: 32 });
  });
  afterAll(() => rmSync(checkpoint, { recursive: true }));

  for (const policy of ["after-call", "when-idle"]) {
    it(`has nothing cached behind a call with "${policy}"`, async () => {
      const lines = await runProgram(standin, program("guard"), [policy]);
      const { idle, left } = lines.pop() as unknown as Guard;
      for (const { mallocs } of lines) assert.ok((mallocs as number) > 0, "the call has needed memory");
      assert.deepEqual(left, [idle, idle, idle]);
    });
  }

  it('keeps what is cached with "on-out-of-memory" until memory runs out', async () => {
    const lines = await runProgram(standin, program("guard"), ["on-out-of-memory"]);
    const { idle, left, failed, frees, bytesPerItem } = lines.pop() as unknown as Guard;
    for (const bytes of left) assert.ok(bytes > idle + bytesPerItem, `${bytes} of ${idle}`);
    assert.equal(failed, null);
    assert.ok(frees > 0);
  });

  it("is probed: a safe batch above 400 within 8 GiB, whose peak is below 80 % of it", async (t) => {
    const [found] = await runProgram<Record<string, number>>(
      standin,
      "test/gpu/probe-in-8-gib.ts",
      [checkpoint, "cuda:0"],
      { env: { CUDA_STANDIN_GIB: "8" } },
    );
    t.annotate(JSON.stringify(found));
    assert.ok(found!.safeBatchSize! > 400);
    // The activations of one picture of a ViT-B/32 in float16.
    assert.ok(found!.bytesPerItem! > 100_000 && found!.bytesPerItem! < 10_000_000);
    assert.ok(found!.peak! < 0.8 * 8 * GIB);
  });

  it("splits a batch where a ballast has taken the room, and batches grow back when it has gone", async (t) => {
    type Seen = Record<"largest" | "splits" | "failed", number>;
    const [result] = await runProgram<Record<"before" | "under" | "after", Seen>>(
      standin,
      "test/gpu/split-under-ballast.ts",
      ["clip", checkpoint, "cuda:0", String(1.25 * GIB)],
      { env: { CUDA_STANDIN_GIB: "1.25" } },
    );
    const { before, under, after } = result!;
    t.annotate(JSON.stringify(result));
    assert.equal(before.splits, 0);
    assert.ok(under.splits > 0);
    assert.equal(under.failed, 0);
    assert.equal(after.largest, before.largest);
  });

  it("is given back to the byte by an unloading, 50 times, with recorded graphs", async () => {
    const rounds = await runProgram(standin, program("unload"));
    assert.deepEqual(rounds.pop(), { used: 0, hostBytes: 0 });
    assert.equal(rounds.length, 50);
    for (const { graphs, ...left } of rounds) {
      assert.ok((graphs as number) > 0);
      assert.deepEqual(left, { left: 0, bytes: 0, allocated: 0 });
    }
  });
});
