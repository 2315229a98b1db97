import assert from "node:assert/strict";
import { describe, it } from "vitest";
// The addon that the library below uses: the sources under lib/ would be a second copy.
import { native } from "../../dist/native/instance.js";
import { demoPictures, loadBlip, loadClip } from "./models.js";

/** Holds the device, as a call that runs does, until the work is done. */
async function whileDeviceIsHeld(work: () => Promise<void>): Promise<void> {
  assert.ok(native().tryAcquireDevice("cpu"));
  try {
    await work();
  } finally {
    native().releaseDevice("cpu");
  }
}

/** Milliseconds until a promise rejects with a code. */
async function timeToReject(promise: Promise<unknown>, code: string): Promise<number> {
  const started = performance.now();
  await assert.rejects(promise, { code });
  return performance.now() - started;
}

describe("the queue", () => {
  it("refuses what is too much in less than 10 ms, with the device busy and without waiting for it", async () => {
    await using clip = await loadClip({ maxQueue: 8, maxBatchSize: 4 });
    await using blip = await loadBlip({ maxQueue: 8, maxBatchSize: 4 });
    const pictures = Array.from({ length: 200 }, (_, index) => demoPictures[index % demoPictures.length]!);
    let busy = true;
    const running = Promise.all([clip.encodeImages(pictures), blip.caption(pictures.slice(0, 40))]).finally(() => {
      busy = false;
    });
    const times: number[] = [];
    while (busy && times.length < 300) {
      times.push(await timeToReject(clip.encodeTexts(["one more"]), "ERR_QUEUE_FULL"));
      times.push(await timeToReject(clip.encodeImages(pictures.slice(0, 1)), "ERR_QUEUE_FULL"));
      times.push(await timeToReject(blip.caption(pictures.slice(0, 1)), "ERR_QUEUE_FULL"));
      // Over the whole time that the device is busy, not in its first moment only.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await running;
    times.sort((one, other) => one - other);
    assert.ok(times.length >= 30, `${times.length} calls were refused`);
    // On a machine that others use, the odd one is late for reasons of its own.
    assert.ok(times[Math.floor(times.length * 0.95)]! < 10, `${times.slice(-10)} ms`);
    assert.equal((await clip.encodeTexts(["now there is room"])).length, 1);
    assert.equal((await blip.caption(pictures.slice(0, 1))).length, 1);
  });

  it("is left at once by a call that is aborted, and its places are free", async () => {
    await using clip = await loadClip({ maxQueue: 8 });
    await using blip = await loadBlip({ maxQueue: 8 });
    for (const call of [
      (count: number, signal?: AbortSignal) => clip.encodeTexts(Array(count).fill("a star"), { signal }),
      (count: number, signal?: AbortSignal) => clip.encodeImages(demoPictures.slice(0, count), { signal }),
      (count: number, signal?: AbortSignal) => blip.caption(demoPictures.slice(0, count), { signal }),
    ]) {
      let next: Promise<unknown[]> | undefined;
      await whileDeviceIsHeld(async () => {
        const controller = new AbortController();
        const waiting = call(8, controller.signal);
        await timeToReject(call(1), "ERR_QUEUE_FULL");
        const reason = new Error("changed my mind");
        controller.abort(reason);
        await assert.rejects(waiting, (error) => error === reason);
        next = call(8);
        await timeToReject(call(1), "ERR_QUEUE_FULL");
      });
      assert.equal((await next)!.length, 8);
    }
  });

  it("is left by a stream that is aborted or given up, too", async () => {
    await using clip = await loadClip({ maxQueue: 1 });
    for (const abort of [true, false]) {
      const controller = new AbortController();
      const stream = clip.encodeImageStream(demoPictures, { signal: controller.signal });
      await stream.next();
      if (abort) {
        controller.abort("enough");
        await assert.rejects(stream.next(), (reason) => reason === "enough");
      } else {
        await stream.return();
      }
      assert.equal((await clip.encodeTexts(["there is room"])).length, 1);
    }
  });

  it("rejects what waits when the model is closed, also behind a device that is held", async () => {
    const clip = await loadClip();
    let waiting: Promise<unknown> | undefined;
    let closing: Promise<void> | undefined;
    await whileDeviceIsHeld(async () => {
      waiting = clip.encodeTexts(["a star"]);
      closing = clip.close();
      await timeToReject(waiting, "ERR_CLOSED");
    });
    await closing;
    assert.equal(clip.capabilities().state, "closed");
  });
});
