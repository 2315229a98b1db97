import assert from "node:assert/strict";
import type { BlipModel, ClipModel } from "clip-blip";
import { afterAll, afterEach, beforeAll, describe, it } from "vitest";
import { assertSameVectors, demoPictures } from "../library/models.js";
import { FATAL, type Faults, withFaults } from "./addon.js";
import { Thread } from "./threads.js";

const CPU = { device: "cpu", dtype: "float32" } as const;

describe("a device that fails for good", () => {
  let library: Awaited<ReturnType<typeof withFaults>>;
  let faults: Faults;
  let clip: ClipModel;
  let blip: BlipModel;
  let thread: Thread;
  let vectors: Float32Array[];
  let runs: { clip: number; blip: number };

  beforeAll(async () => {
    library = await withFaults();
    faults = library.faults;
    clip = await library.ClipModel.load("demo", { ...CPU, maxBatchSize: 4 });
    blip = await library.BlipModel.load("demo", CPU);
    thread = await Thread.start();
    faults.armFault("illegal-address", 0);
    vectors = await clip.encodeImages(demoPictures);
    const clipRuns = faults.deviceRuns();
    faults.armFault("illegal-address", 0);
    await blip.caption(demoPictures);
    runs = { clip: clipRuns, blip: faults.deviceRuns() };
  });
  afterEach(() => faults.forgetLostDevice("cpu"));
  afterAll(async () => {
    await thread.terminate();
    await clip.close();
    await blip.close();
  });

  /** Rejects with the code and a sentence that says what to do; the native text is its cause. */
  const isLost = (error: Error & { code?: string }) => {
    assert.equal(error.code, "ERR_DEVICE_LOST", error.stack);
    assert.match(error.message, /restart the process/);
    assert.match((error.cause as Error).message, /^CUDA (driver )?error: /);
    return true;
  };

  for (const kind of FATAL) {
    it(`${kind}: whatever run of CLIP it strikes, the call rejects and nothing is retried`, async () => {
      for (let nth = 1; nth <= runs.clip; nth++) {
        faults.armFault(kind, nth);
        await assert.rejects(clip.encodeImages(demoPictures), isLost);
        assert.equal(faults.faultsFired(), 1, `run ${nth} was not reached`);
        assert.equal(faults.deviceRuns(), nth, "nothing runs on a lost device");
        faults.forgetLostDevice("cpu");
      }
    });

    it(`${kind}: the same for BLIP, amid decoding, too`, async () => {
      for (let nth = 1; nth <= runs.blip; nth += 2) {
        faults.armFault(kind, nth);
        await assert.rejects(blip.caption(demoPictures), isLost);
        assert.equal(faults.faultsFired(), 1, `run ${nth} was not reached`);
        assert.equal(faults.deviceRuns(), nth, "nothing runs on a lost device");
        faults.forgetLostDevice("cpu");
      }
    });

    it(`${kind}: everything that waits and everything that comes is rejected, on every model and thread`, async () => {
      faults.armFault(kind, 1);
      const waiting = [
        ...demoPictures.map((picture) => clip.encodeImages([picture])),
        blip.caption(demoPictures),
        clip.encodeTexts(["a star"]),
      ];
      const inThread = [thread.run("texts", 3), thread.run("captions", 2)];
      for (const result of await Promise.allSettled(waiting)) {
        assert.equal(result.status, "rejected");
        isLost(result.reason);
      }
      for (const { ended } of [...inThread, thread.run("images", 2)]) {
        const answer = await ended;
        assert.ok(answer.step === "failed" && answer.code === "ERR_DEVICE_LOST", answer.step);
      }
      // With the device's turn in other hands: nobody waits for it to learn that the device is lost.
      assert.ok(library.binding.tryAcquireDevice("cpu"));
      await assert.rejects(clip.encodeTexts(["a star"]), isLost);
      await assert.rejects(clip.encodeImages(demoPictures), isLost);
      await assert.rejects(blip.caption(demoPictures), isLost);
      await assert.rejects(clip.probe(), isLost);
      await assert.rejects(clip.warmup(), isLost);
      library.binding.releaseDevice("cpu");
      await assert.rejects(library.ClipModel.load("demo", CPU), isLost);
      assert.equal(faults.faultsFired(), 1);
      assert.equal(faults.deviceRuns(), 1, "nothing runs on a lost device");
    });

    it(`${kind}: a fault in one thread is a fault for all others`, async () => {
      faults.armFault(kind, 1);
      const answer = await thread.run("captions", 2).ended;
      assert.ok(answer.step === "failed" && answer.code === "ERR_DEVICE_LOST", answer.step);
      assert.equal(faults.faultsFired(), 1);
      await assert.rejects(clip.encodeTexts(["a star"]), isLost);
      await assert.rejects(blip.caption(demoPictures), isLost);
      assert.equal(faults.deviceRuns(), 1);
    });
  }

  it("is known by the number of CUDA's error, whatever the text says", async () => {
    for (const number of [214, 220, 700, 702, 710, 714, 715, 716, 717, 718, 719, 999]) {
      faults.armFault(`cuda-${number}`, 1);
      await assert.rejects(clip.encodeTexts(["a star"]), isLost);
      faults.forgetLostDevice("cpu");
    }
    for (const number of [1, 9, 98, 701, 709, 801, 900]) {
      faults.armFault(`cuda-${number}`, 1);
      await assert.rejects(clip.encodeTexts(["a star"]), (error: Error & { code?: string }) => {
        assert.equal(error.code, "ERR_INTERNAL");
        // Without LibTorch's hints to its own developers, which name assertions of the device.
        assert.equal((error.cause as Error).message, `CUDA error: number ${number}`);
        return true;
      });
      await clip.encodeTexts(["a star"]);
    }
  });

  it("can be left: weights are given up, models are closed", async () => {
    const other = await library.ClipModel.load("demo", CPU);
    const { allocated } = other.capabilities().memory;
    faults.armFault("device-assert", 1);
    await assert.rejects(other.encodeTexts(["a star"]), isLost);
    await other.unload();
    assert.equal(other.capabilities().state, "unloaded");
    assert.ok(other.capabilities().memory.allocated < allocated);
    await other.close();
  });

  it("was the cause of all this: without it the same calls work", async () => {
    assertSameVectors(await clip.encodeImages(demoPictures), vectors);
    assert.equal((await thread.run("captions", 2).ended).step, "done");
  });
});
