import assert from "node:assert/strict";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { describe, it } from "vitest";
import { ClipBlipError } from "../../lib/common/errors.js";
import { Admission } from "../../lib/engine/admission.js";
import { Batcher } from "../../lib/engine/batcher.js";
import { DeviceQueue } from "../../lib/engine/device-queue.js";
import { ModelHost } from "../../lib/engine/host.js";
import { Pipeline } from "../../lib/engine/pipeline.js";
import type { ModuleHandle } from "../../lib/native/types.js";
import { batched, localTurns } from "./support/engine.js";

/** A device that doubles numbers, remembers its batches and can be held up. */
function fakeDevice({ limit = 4, maxQueue = 1000, forwardMs = 0 } = {}) {
  const batches: number[][] = [];
  const queue = new DeviceQueue(localTurns());
  let running = 0;
  let mostRunning = 0;
  const operation = batched<number, number>({
    limit: () => limit,
    key: (item) => String(item < 0),
    forward: async (items) => {
      running += 1;
      mostRunning = Math.max(mostRunning, running);
      batches.push(items);
      await sleep(forwardMs);
      running -= 1;
      if (items.includes(13)) throw new ClipBlipError("ERR_OUT_OF_MEMORY", "unlucky");
      return items.map((item) => item * 2);
    },
  });
  const batcher = new Batcher(operation, queue);
  const admission = new Admission(maxQueue);
  const pipeline = (prepare: (input: number, signal: AbortSignal) => Promise<number> | number = (input) => input) =>
    new Pipeline({ prepare, window: () => 2 * limit }, batcher, admission);
  return { batches, batcher, queue, admission, pipeline, mostRunning: () => mostRunning };
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 100);

describe("batches", () => {
  it("keeps the order and fills batches up to the limit", async () => {
    const device = fakeDevice();
    const results = await device.pipeline().map(upTo(10));
    assert.deepEqual(
      results,
      upTo(10).map((n) => n * 2),
    );
    assert.deepEqual(
      device.batches.map((batch) => batch.length),
      [4, 4, 2],
    );
    assert.equal(device.admission.accepted, 0);
  });

  it("starts a call on an idle device at once", async () => {
    const device = fakeDevice({ limit: 64 });
    await device.pipeline().map([1]);
    assert.deepEqual(device.batches, [[1]]);
  });

  it("shares a batch between the calls that came while the device was busy", async () => {
    const device = fakeDevice({ limit: 64, forwardMs: 5 });
    const pipeline = device.pipeline();
    const results = await Promise.all([1, 2, 3, 4, 5].map((n) => pipeline.map([n])));
    assert.deepEqual(results, [[2], [4], [6], [8], [10]]);
    assert.deepEqual(device.batches, [[1], [2, 3, 4, 5]]);
    assert.equal(device.mostRunning(), 1);
  });

  it("does not mix items whose options differ", async () => {
    const device = fakeDevice({ limit: 64, forwardMs: 5 });
    const pipeline = device.pipeline();
    await Promise.all([1, -2, 3, -4].map((n) => pipeline.map([n])));
    assert.deepEqual(device.batches, [[1], [-2, -4], [3]]);
  });

  it("waits for the items of a call that are still being prepared", async () => {
    const device = fakeDevice({ limit: 4 });
    const pipeline = device.pipeline(async (input) => {
      await sleep(input % 3);
      return input;
    });
    await pipeline.map(upTo(3));
    assert.deepEqual(
      device.batches.map((batch) => batch.length),
      [3],
    );
  });

  it("runs one batch at a time, whatever the number of batchers", async () => {
    const device = fakeDevice({ limit: 2, forwardMs: 1 });
    const operation = batched<number, number>({
      forward: async (items) => {
        assert.ok(device.batches.length > 0);
        await sleep(1);
        return items;
      },
    });
    const other = new Batcher(operation, device.queue);
    const second = new Pipeline({ prepare: (input: number) => input, window: () => 4 }, other, new Admission(100));
    await Promise.all([device.pipeline().map(upTo(8)), second.map(upTo(8))]);
    assert.equal(device.mostRunning(), 1);
  });
});

/** A batcher whose batches overlap, each of which ends when `end` is called for it. */
function overlapping({ limit = 2, queue = new DeviceQueue(localTurns()), overlap = (): boolean => true } = {}) {
  const batches: number[][] = [];
  const ends: (() => void)[] = [];
  const operation = batched<number, number>({
    limit: () => limit,
    key: (item) => String(item < 0),
    forward: async (items) => {
      batches.push(items);
      await new Promise<void>((resolve) => ends.push(resolve));
      return items;
    },
    overlaps: overlap,
  });
  const batcher = new Batcher(operation, queue);
  const call = { preparing: 0 };
  return {
    queue,
    batches,
    batcher,
    submit: (items: number[]) => Promise.all(items.map((item) => batcher.submit(item, call))),
    end: async (batch: number) => {
      ends[batch]!();
      await nextTurn();
    },
  };
}

describe("batches that overlap", () => {
  it("are handed over when they are full, one while another one runs", async () => {
    const { batches, submit, end } = overlapping();
    const results = submit([1, 2, 3, 4, 5, 6, 7]);
    await nextTurn();
    assert.deepEqual(batches, [[1], [2, 3]], "the idle device took the first item at once");
    await end(0);
    assert.deepEqual(batches, [[1], [2, 3], [4, 5]]);
    await end(1);
    assert.deepEqual(batches.slice(3), [[6, 7]]);
    await end(3);
    await end(2);
    assert.deepEqual(await results, [1, 2, 3, 4, 5, 6, 7]);
  });

  it("wait with what is not full until the device is free", async () => {
    const { batches, submit, end } = overlapping();
    const results = submit([1, 2, 3, 4]);
    await nextTurn();
    assert.deepEqual(batches, [[1], [2, 3]]);
    await end(0);
    assert.equal(batches.length, 2);
    await end(1);
    assert.deepEqual(batches[2], [4]);
    await end(2);
    await results;
  });

  it("let others have the device who wait for it", async () => {
    const { queue, batches, submit, end } = overlapping();
    const results = submit([1]);
    await nextTurn();
    const seen: number[] = [];
    const other = queue.run(async () => {
      seen.push(batches.length);
    });
    const more = submit([2, 3, 4, 5]);
    await nextTurn();
    assert.deepEqual(batches, [[1]], "nothing follows while another one waits");
    await end(0);
    await other;
    assert.deepEqual(seen, [1]);
    await nextTurn();
    assert.deepEqual(batches.slice(1), [
      [2, 3],
      [4, 5],
    ]);
    await end(1);
    await end(2);
    await Promise.all([results, more]);
  });

  it("do not while there is a reason against it", async () => {
    let allowed = false;
    const { batches, batcher, submit, end } = overlapping({ overlap: () => allowed });
    const results = submit([1, 2, 3]);
    await nextTurn();
    assert.deepEqual(batches, [[1]]);
    allowed = true;
    batcher.poke();
    assert.deepEqual(batches, [[1], [2, 3]]);
    await end(0);
    await end(1);
    await results;
  });

  it("load an unloaded model once", async () => {
    const queue = new DeviceQueue(localTurns());
    let loads = 0;
    const host = new ModelHost({
      native: { emptyCache: async () => {}, unloadModule: async () => {} },
      device: "fake",
      queue,
      load: async () => {
        loads += 1;
        await nextTurn();
        return {} as ModuleHandle;
      },
      measureBudget: () => 1000,
      releaseCache: "when-idle",
      isBusy: () => true,
    });
    const operation = batched<number, number>({
      forward: (items) => host.call(async () => items),
      overlaps: () => true,
    });
    const batcher = new Batcher(operation, queue);
    const call = { preparing: 0 };
    assert.deepEqual(await Promise.all([1, 2, 3].map((item) => batcher.submit(item, call))), [1, 2, 3]);
    assert.equal(loads, 1);
  });
});

describe("failures", () => {
  it("blames the item, and the next call works", async () => {
    const device = fakeDevice();
    await assert.rejects(device.pipeline().map([1, 2, 13, 4]), { code: "ERR_OUT_OF_MEMORY", index: 2 });
    assert.equal(device.admission.accepted, 0);
    assert.deepEqual(await device.pipeline().map([1]), [2]);
  });

  it("does not let a failed preparation hold up a batch", async () => {
    const device = fakeDevice({ limit: 64 });
    const pipeline = device.pipeline(async (input) => {
      await nextTurn();
      if (input === 7) throw new ClipBlipError("ERR_IMAGE_DECODE", "no picture");
      return input;
    });
    const [bad, good] = await Promise.allSettled([pipeline.map([1, 7]), pipeline.map([3])]);
    assert.equal(bad.status, "rejected");
    assert.deepEqual(good, { status: "fulfilled", value: [6] });
  });

  it("refuses the next call when too many items wait", async () => {
    const device = fakeDevice({ maxQueue: 5, forwardMs: 5 });
    const first = device.pipeline().map(upTo(20));
    await assert.rejects(device.pipeline().map([1]), { code: "ERR_QUEUE_FULL" });
    assert.equal((await first).length, 20);
    assert.deepEqual(await device.pipeline().map([1]), [2]);
  });

  it("shows the call of the user in the stack", async () => {
    const device = fakeDevice();
    async function theUsersFunction() {
      await device.pipeline().map([1, 13]);
    }
    await assert.rejects(theUsersFunction(), (error: Error) => /theUsersFunction/.test(error.stack ?? ""));
  });
});

describe("what cannot happen", () => {
  it("a batch whose run rejects fails its items and no others", async () => {
    const queue = new DeviceQueue(localTurns());
    const operation = batched<number, number>({
      forward: async (items) => {
        if (items.includes(1)) throw new Error("cannot happen");
        return items;
      },
    });
    const batcher = new Batcher(operation, queue);
    const call = { preparing: 0 };
    const results = await Promise.allSettled([1, 2, 3].map((item) => batcher.submit(item, call)));
    assert.deepEqual(
      results.map(({ status }) => status),
      ["rejected", "fulfilled", "fulfilled"],
    );
  });

  it("a device whose turns fail rejects what waits for it", async () => {
    const turns = { ...localTurns(), tryAcquire: () => false, acquire: () => Promise.reject(new Error("no turns")) };
    const operation = batched<number, number>({ forward: async (items) => items });
    const batcher = new Batcher(operation, new DeviceQueue(turns));
    await assert.rejects(batcher.submit(1, { preparing: 0 }), /no turns/);
    await assert.rejects(batcher.submit(2, { preparing: 0 }), /no turns/);
  });
});

describe("closing", () => {
  it("rejects what waits and what comes, and lets finish what runs", async () => {
    const device = fakeDevice({ limit: 2, forwardMs: 5 });
    const reason = new ClipBlipError("ERR_CLOSED", "closed");
    const running = device.pipeline().map([1, 2]);
    const waiting = device.pipeline().map([3, 4]);
    const preparing = device
      .pipeline(async (input) => {
        await sleep(1);
        return input;
      })
      .map([5]);
    device.batcher.close(reason);
    const results = await Promise.allSettled([running, waiting, preparing, device.pipeline().map([6])]);
    assert.deepEqual(results[0], { status: "fulfilled", value: [2, 4] });
    for (const result of results.slice(1)) {
      assert.equal(result.status, "rejected");
      assert.equal((result as PromiseRejectedResult).reason.code, "ERR_CLOSED");
    }
    assert.deepEqual(device.batches, [[1, 2]]);
    assert.equal(device.admission.accepted, 0);
  });
});

describe("abort", () => {
  it("rejects with the reason at once and frees the places", async () => {
    const device = fakeDevice({ forwardMs: 30, limit: 1 });
    const controller = new AbortController();
    let ran = false;
    const running = device
      .pipeline()
      .map([1])
      .finally(() => {
        ran = true;
      });
    const waiting = device.pipeline().map([2, 3], { signal: controller.signal });
    const reason = new Error("changed my mind");
    controller.abort(reason);
    await assert.rejects(waiting, (error) => error === reason);
    assert.equal(ran, false, "it did not wait for the device");
    await running;
    assert.equal(device.admission.accepted, 0);
    assert.deepEqual(device.batches, [[1]]);
  });

  it("rejects before anything is done when aborted already", async () => {
    const device = fakeDevice();
    await assert.rejects(device.pipeline().map([1], { signal: AbortSignal.abort("no") }), (reason) => reason === "no");
    assert.equal(device.batches.length, 0);
  });

  it("adds one listener a call, not one an item", async () => {
    const device = fakeDevice();
    const controller = new AbortController();
    let added = 0;
    const add = controller.signal.addEventListener.bind(controller.signal);
    controller.signal.addEventListener = ((...parameters: Parameters<typeof add>) => {
      added += 1;
      add(...parameters);
    }) as typeof add;
    await device.pipeline().map(upTo(50), { signal: controller.signal });
    assert.equal(added, 1);
  });
});

describe("streams", () => {
  it("gives results in order, errors as results, and pulls no more than its window", async () => {
    const device = fakeDevice({ limit: 2 });
    let pulled = 0;
    async function* source() {
      for (const n of [1, 7, 3, 4, 5, 6, 8, 9, 10, 11]) {
        pulled += 1;
        yield n;
      }
    }
    const pipeline = device.pipeline(async (input) => {
      await sleep(input % 3);
      if (input === 7) throw new ClipBlipError("ERR_IMAGE_DECODE", "no picture");
      return input;
    });
    const seen: unknown[] = [];
    for await (const result of pipeline.stream(source())) {
      seen.push("error" in result ? [result.index, result.error.code] : [result.index, result.value]);
      assert.ok(pulled <= seen.length + 5, `pulled ${pulled} after ${seen.length}`);
    }
    assert.deepEqual(seen.slice(0, 3), [
      [0, 2],
      [1, "ERR_IMAGE_DECODE"],
      [2, 6],
    ]);
    assert.equal(seen.length, 10);
    assert.equal(device.admission.accepted, 0);
  });

  it("yields what is there while the source is slow", async () => {
    const device = fakeDevice({ limit: 8 });
    let release: () => void = () => {};
    async function* source() {
      yield 1;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      yield 2;
    }
    const stream = device.pipeline().stream(source());
    assert.equal((await stream.next()).value?.index, 0);
    release();
    assert.equal((await stream.next()).value?.index, 1);
    assert.equal((await stream.next()).done, true);
  });

  it("ends its source when the consumer leaves", async () => {
    const device = fakeDevice();
    let ended = false;
    function* source() {
      try {
        for (let n = 0; ; n++) yield n;
      } finally {
        ended = true;
      }
    }
    for await (const result of device.pipeline().stream(source())) if (result.index === 3) break;
    await nextTurn();
    assert.equal(ended, true);
    // What was on the device when the stream ended is over once a later call has had its turn.
    await device.pipeline().map([0]);
    assert.equal(device.admission.accepted, 0);
  });

  it("rejects with the reason of an abort, and frees its places at once", async () => {
    const device = fakeDevice({ forwardMs: 50 });
    const controller = new AbortController();
    const stream = device.pipeline().stream(upTo(10), { signal: controller.signal });
    const next = stream.next();
    await nextTurn();
    assert.ok(device.admission.accepted > 0);
    controller.abort("enough");
    await assert.rejects(next, (reason) => reason === "enough");
    assert.equal(device.admission.accepted, 0);
    await device.pipeline().map([0]);
    assert.equal(device.admission.accepted, 0, "not freed a second time by what ran still");
  });

  it("rejects with the reason of an abort that came while nobody waited for a result", async () => {
    const device = fakeDevice();
    const controller = new AbortController();
    const stream = device.pipeline().stream(upTo(10), { signal: controller.signal });
    await stream.next();
    controller.abort("enough");
    await assert.rejects(stream.next(), (reason) => reason === "enough");
    assert.equal((await stream.next()).done, true);
  });

  it("lets go of each result that was taken, also under a signal that never aborts", async () => {
    const device = fakeDevice({ limit: 2 });
    const kept: WeakRef<object>[] = [];
    const operation = batched<number, object>({ forward: async (items) => items.map((item) => ({ item })) });
    const pipeline = new Pipeline(
      { prepare: (input: number) => input, window: () => 4 },
      new Batcher(operation, device.queue),
      device.admission,
    );
    for await (const result of pipeline.stream(upTo(50), { signal: new AbortController().signal })) {
      assert.ok("value" in result);
      kept.push(new WeakRef(result.value));
      // A stream that is half-way is what must not hold on to them.
      if (result.index < 49) continue;
      await nextTurn();
      globalThis.gc!();
      const alive = kept.filter((reference) => reference.deref()).length;
      assert.ok(alive <= 6, `${alive} of 50 results are still held`);
    }
  });
});
