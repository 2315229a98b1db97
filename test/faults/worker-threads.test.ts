import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { BlipModel, Caption, ClipModel } from "clip-blip";
import { afterAll, beforeAll, describe, it } from "vitest";
import { assertSameVectors, demoPictures } from "../library/models.js";
import { withFaults } from "./addon.js";
import { type Answer, Thread } from "./threads.js";

describe("one owner per device, over all threads", () => {
  let library: Awaited<ReturnType<typeof withFaults>>;
  let clip: ClipModel;
  let blip: BlipModel;
  let threads: Thread[];

  beforeAll(async () => {
    library = await withFaults();
    const options = { device: "cpu", dtype: "float32" } as const;
    [clip, blip, ...threads] = await Promise.all([
      library.ClipModel.load("demo", options),
      library.BlipModel.load("demo", options),
      Thread.start(),
      Thread.start(),
      Thread.start(),
    ]);
  });
  afterAll(async () => {
    for (const thread of threads) await thread.terminate();
    await clip.close();
    await blip.close();
  });

  const done = (answer: Answer) => {
    assert.ok(answer.step === "done", `${answer.step} ${"code" in answer ? answer.code : ""}`);
    return answer;
  };

  it("runs one call at a time on the device, with the results of a thread that is alone", async () => {
    const { faults } = library;
    const pictures = demoPictures.slice(0, 8);
    const [vectors, captions] = [await clip.encodeImages(pictures), await blip.caption(pictures)];
    faults.armFault("out-of-memory", 0);
    const own = async () => {
      for (let round = 0; round < 4; round++) {
        await Promise.all([clip.encodeImages(pictures), clip.encodeTexts(["one", "two"]), blip.caption(pictures)]);
      }
    };
    const inThreads = threads.flatMap((thread) =>
      Array.from({ length: 4 }, () => ({
        images: thread.run("images", pictures.length).ended,
        captions: thread.run("captions", pictures.length).ended,
        texts: thread.run("texts", 5).ended,
      })),
    );
    await own();
    for (const answers of inThreads) {
      assertSameVectors(done(await answers.images).value as Float32Array[], vectors);
      assert.deepEqual(
        (done(await answers.captions).value as Caption[]).map(({ tokenIds }) => tokenIds),
        captions.map(({ tokenIds }) => tokenIds),
      );
      done(await answers.texts);
    }
    assert.equal(faults.deviceThreads(), 1, "LibTorch keeps memory for each thread that calls it");
    assert.ok(faults.deviceRuns() > 4 * 4 * 3, String(faults.deviceRuns()));
    assert.equal(faults.mostDeviceCalls(), 1);
  });

  it("is first come, first served over threads and models", async () => {
    const { binding } = library;
    const waitFor = async (count: number) => {
      while (binding.waitingForDevice("cpu") < count) await sleep(1);
    };
    for (let round = 0; round < 5; round++) {
      const [first, second, third] = [0, 1, 2].map((offset) => threads[(round + offset) % 3]!);
      const calls: (() => Promise<unknown>)[] = [
        () => first!.run("texts", 1).ended.then(done),
        () => second!.run("captions", 1).ended.then(done),
        () => clip.encodeTexts(["here"]),
        () => third!.run("texts", 1).ended.then(done),
        () => blip.caption(demoPictures.slice(0, 1)),
        () => first!.run("captions", 1).ended.then(done),
      ];
      assert.ok(binding.tryAcquireDevice("cpu"));
      const unfinished = new Map<number, Promise<number>>();
      const ownTurns: Promise<void>[] = [];
      for (const [index, call] of calls.entries()) {
        unfinished.set(
          index,
          call().then(() => index),
        );
        await waitFor(2 * index + 1);
        // Behind each call the test itself waits for a turn, and looks at who has come through by then.
        ownTurns.push(binding.acquireDevice("cpu"));
        await waitFor(2 * index + 2);
      }
      binding.releaseDevice("cpu");
      for (const [index, turn] of ownTurns.entries()) {
        await turn;
        assert.equal(binding.waitingForDevice("cpu"), 2 * (calls.length - 1 - index));
        assert.equal(await Promise.race(unfinished.values()), index);
        unfinished.delete(index);
        binding.releaseDevice("cpu");
      }
    }
  });

  it("holds no thread of the pool while calls wait", () => {
    const program = fileURLToPath(new URL("./small-pool.ts", import.meta.url));
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", program], {
      encoding: "utf8",
      env: { ...process.env, UV_THREADPOOL_SIZE: "1", OMP_NUM_THREADS: "1" },
      timeout: 60_000,
    });
    assert.equal(status, 0, stderr);
    const { slowest, runsBefore, runs, failed } = JSON.parse(stdout);
    assert.equal(runsBefore, 0, "the device was held");
    assert.ok(runs > 6, String(runs));
    assert.equal(failed, 0);
    // A call that held the one thread would hold it for good: the device is free only after the reads.
    assert.ok(slowest < 1000, `a file took ${slowest} ms`);
  });

  it("passes on the turn of a thread that is terminated amid its calls, and never while one of them runs", async () => {
    const { faults } = library;
    faults.armFault("out-of-memory", 0);
    for (let round = 0; round < 3; round++) {
      const thread = await Thread.start();
      for (let call = 0; call < 5; call++) void thread.run("captions", 8);
      await thread.run("texts", 1).asked;
      const [captions] = await Promise.all([
        blip.caption(demoPictures.slice(0, 4)),
        sleep(10 * round),
        thread.terminate(),
      ]);
      assert.equal(captions.length, 4);
    }
    assert.equal(faults.mostDeviceCalls(), 1);
    assert.equal(library.binding.waitingForDevice("cpu"), 0);
    assert.equal((await clip.encodeTexts(["after"])).length, 1);
  });
});
